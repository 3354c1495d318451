"""What a run says of itself when it is done, or a limit ends it."""

from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from maccap.config import Config
from pipeline.run.completed_chunks import WrittenChunks, unfinished
from pipeline.run.progress import Progress
from pipeline.run.question_store import UnaskedQuestions
from pipeline.run.run_folder import CAPTIONS
from pipeline.sources import Shard
from pipeline.stages.stage import Task
from pipeline.storage.errors import RunError
from pipeline.storage.redact import redacted


class Summary(Config):
    """What a finished run says of itself; `summary.json` and the command's last line. A command that a limit
    `stopped` says it on that line alone, with what it left.
    """

    output: str
    captions: str
    shards: int
    chunks: int
    rows: int
    captioned: int | None = None
    had_captions: int | None = None
    flags: dict[str, int] | None = None  # captions of each kind; one may be of several
    errors: int
    questions: int | None = None
    unanswered: int | None = None
    unasked: UnaskedQuestions | None = None
    new_rows: int
    seconds: float
    images_per_second: float
    measured: dict[str, Any] = Field(default_factory=dict)  # of the new rows: see Measured.facts
    left_out: dict[str, int] = Field(default_factory=dict)
    decoded_by: dict[str, int] = Field(default_factory=dict)  # images of packages but Pillow
    stopped: str | None = None  # by which limit
    shards_left: int | None = None
    rows_left: int | None = None  # as far as is known

    @model_serializer(mode="wrap")
    def _of_its_tasks(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if value is not None}


def stopped_summary(
    output: str, limit: str, progress: Progress, seconds: float, left_out: dict[str, int]
) -> Summary:
    """When `limit` ended it. From the results alone: a listing would take more of what is spent."""
    expected = progress.rows_expected
    return Summary(
        output=redacted(output),
        captions=redacted(f"{output}/{CAPTIONS}"),
        shards=progress.shards,
        chunks=progress.chunks,
        rows=progress.rows,
        errors=progress.errors,
        new_rows=progress.rows - progress.written_before,
        seconds=round(seconds, 2),
        images_per_second=round(progress.images_per_second, 2),
        measured=progress.measured.facts(),
        left_out=left_out,
        stopped=limit,
        shards_left=progress.shards - progress.shards_done,
        rows_left=None if expected is None else max(0, expected - progress.rows),
    )


def run_summary(
    output: str,
    shards: list[Shard],
    written: WrittenChunks,
    progress: Progress,
    seconds: float,
    left_out: dict[str, int],
    tasks: tuple[Task, ...],
) -> Summary:
    """From the files themselves, not from the results. Raises RunError if a chunk is missing."""
    missing = unfinished([shard.id for shard in shards], written)
    if missing:
        raise RunError(
            f"{len(missing)} shards are incomplete in {redacted(output)}, for instance {missing[0]}. "
            "Start the same command again to caption what is missing."
        )
    return Summary(
        output=redacted(output),
        captions=redacted(f"{output}/{CAPTIONS}"),
        shards=len(shards),
        chunks=written.chunks,
        rows=written.rows,
        captioned=written.rows - written.errors - written.kept if "caption" in tasks else None,
        had_captions=written.had_captions,
        flags=None if written.flags is None else dict(sorted(written.flags.items())),
        errors=written.errors,
        questions=written.questions if "ask" in tasks else None,
        unanswered=written.unanswered if "ask" in tasks else None,
        new_rows=progress.rows - progress.written_before,
        seconds=round(seconds, 2),
        images_per_second=round(progress.images_per_second, 2),
        measured=progress.measured.facts(),
        left_out=left_out,
        decoded_by=dict(sorted(written.decoders.items())),
    )
