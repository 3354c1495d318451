"""What an error of a stage is told as: which stage, at which chunk, and the setting that may help."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.storage.errors import RunError, UserError
from pipeline.storage.redact import describe

LESS_MEMORY = (
    "Lower `chunk_rows` or `chunk_bytes`, feature_batch, candidate_batch or rerank_batch, or `actors` under "
    "`resources`."
)


@contextmanager
def telling(what: str, but: Callable[[Exception], bool] = lambda error: False) -> Iterator[None]:
    """Whatever is raised becomes a RunError that begins with `what`; a UserError stays what it is, and so
    does an error of which `but` holds.
    """
    try:
        yield
    except (UserError, RunError):
        raise
    except Exception as error:
        if but(error):
            raise
        out_of_memory = isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
        fix = f". {LESS_MEMORY}" if out_of_memory else ""
        raise RunError(f"{what}: {type(error).__name__}: {describe(error)}{fix}") from error


def at_chunk(stage: str, chunk: str) -> str:
    """What `telling` begins with for a stage's work on one chunk."""
    return f"stage {stage} failed at {chunk}"
