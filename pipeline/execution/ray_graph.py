"""The stages as a Ray Data graph: shards in, receipts out.

    shards -> read -> decode -> features -> candidates -> rerank -> write -> receipts
              tasks   tasks     actors      actors        actors    tasks

Each operator maps one row to one row, and a row is a whole chunk. Image bytes and arrays stay in Ray's object
store; the driver sees receipts alone.
"""

import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext, TaskPoolStrategy
from ray.exceptions import (
    ObjectStoreFullError,
    OutOfDiskError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)

from pipeline.chunk import Chunk
from pipeline.execution.caption_stages import CaptionStages, ShardWork, Stage
from pipeline.execution.watchdog import until_stalled
from pipeline.execution.worker_activity import Board
from pipeline.run.run_periodically import every
from pipeline.stages.resources import ActorResources, Resources, TaskResources
from pipeline.stages.torch_runtime import is_device_lost
from pipeline.stages.write import Receipt
from pipeline.storage.errors import RunError, UserError
from pipeline.storage.redact import describe


def caption_on_ray(
    stages: CaptionStages,
    work: Iterable[ShardWork],
    resources: Resources,
    note_read: Callable[[int], object] = lambda rows: None,
) -> Iterator[Receipt]:
    """Caption and write `work`; yields each chunk's receipt as its file appears, and tells `note_read` now
    and then how many rows were read. Raises RunError, also where nothing moves for the run's `stall_seconds`.
    """
    board = Board.start()
    receipts = _receipts(board, stages, work, resources)
    with every(_LOOK_SECONDS, lambda: note_read(board.rows_read())):
        for receipt in until_stalled(receipts, stages.config.stall_seconds, board.report, board.quiet):
            yield Receipt.from_json(receipt)
    note_read(board.rows_read())


_LOOK_SECONDS = 2.0


def _receipts(
    board: Board, stages: CaptionStages, work: Iterable[ShardWork], resources: Resources
) -> Iterator[str]:
    configure_ray_data()
    shards = shard_rows(work)
    if shards is None:
        return
    chunks = shards.map_batches(partial(_read, board, stages), **_task(resources.read))
    for stage in stages.pixel_stages():
        chunks = chunks.map_batches(partial(_apply, board, "decode", stage), **_task(resources.decode))
    actors = resources.actor_stages()
    for name, build in stages.builders(actors).items():
        on_rows = partial(_on_rows, board, name, build)
        chunks = chunks.map_batches(StageActor, fn_constructor_args=(on_rows,), **actor_pool(actors[name]))
    yield from receipts_of(chunks.map_batches(partial(_write, board, stages), **_task(resources.write)))


def shard_rows(work: Iterable[ShardWork]) -> ray.data.Dataset | None:
    """A Ray row for each shard, in the blocks that read tasks take; None for no work.

    A block of its own for each costs the driver 8 ms and 5 kB as it is made: minutes for 100,000 shards,
    before the first is read. So shards start in few blocks, and a task cuts these up while others read.
    """
    rows = [item.to_row() for item in work]
    if not rows:
        return None
    table = pa.Table.from_pylist(rows)
    together = range(0, len(rows), _SHARDS_TOGETHER)
    blocks = [table.slice(start, _SHARDS_TOGETHER).combine_chunks() for start in together]
    a_task = -(-len(rows) // _READ_TASKS)
    cut = partial(_cut, a_task)
    return ray.data.from_arrow(blocks).map_batches(
        cut,
        batch_size=None,
        batch_format="pyarrow",
        zero_copy_batch=True,
        compute=TaskPoolStrategy(size=1),
        num_cpus=0.01,  # unlike any other stage, or Ray would make one task of this and reading
    )


_SHARDS_TOGETHER = 1000
_READ_TASKS = 10_000  # at most about so many: a task reads one shard, or of more shards several


def _cut(size: int, rows: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, rows.num_rows, size):
        yield rows.slice(start, size).combine_chunks()


def receipts_of(rows: ray.data.Dataset) -> Iterator[str]:
    """The column `receipt`, as its rows are done. Raises RunError."""
    try:
        for batch in rows.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            yield from map(str, batch["receipt"])
    except RayTaskError as error:
        raise RunError(_cause(error)) from error
    except RayError as error:
        raise RunError(f"Ray failed: {_last_message(error)}{_fix(error)}") from error


class StageActor:
    """What `build` returns, on Ray rows.

    A stage that cannot be built fails with its first chunk: of an actor that dies as it starts, Ray buries
    the cause, and prints tracebacks on stdout.
    """

    def __init__(self, build: Callable[[], Callable[[pa.Table], pa.Table]]) -> None:
        self.stage: Callable[[pa.Table], pa.Table] | Exception
        # before torch is imported: a thread that waits for its fellows by spinning takes a core from other
        # stages. On two cores, at real sizes, this made a run a third faster.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        try:
            self.stage = build()
        except Exception as error:
            self.stage = error

    def __call__(self, rows: pa.Table) -> pa.Table:
        if isinstance(self.stage, Exception):
            raise self.stage
        try:
            return self.stage(rows)
        except RuntimeError as error:
            if is_device_lost(error):  # Ray starts another actor, and gives it the chunk
                os.kill(os.getpid(), signal.SIGKILL)
            raise


def _on_rows(board: Board, name: str, build: Callable[[], Stage]) -> Callable[[pa.Table], pa.Table]:
    with board.working(name):
        return partial(_apply, board, name, build())


def _apply(board: Board, name: str, stage: Stage, rows: pa.Table) -> pa.Table:
    done = []
    for chunk in Chunk.from_rows(rows):
        with board.working(name, chunk.file_name), _said_of(name, chunk):
            done.append(chunk.with_samples(stage(chunk.samples)).to_row())
    return pa.concat_tables(done)


@contextmanager
def _said_of(name: str, chunk: Chunk) -> Iterator[None]:
    """Errors of a stage with its name and the chunk; a lost device stays what it is, for `StageActor`."""
    try:
        yield
    except (UserError, RunError):
        raise
    except Exception as error:
        if isinstance(error, RuntimeError) and is_device_lost(error):
            raise
        fix = f". {_LESS_MEMORY}" if "OutOfMemory" in type(error).__name__ else ""
        said = f"stage {name} failed at {chunk.file_name}: {type(error).__name__}: {describe(error)}{fix}"
        raise RunError(said) from error


def _read(board: Board, stages: CaptionStages, rows: pa.Table) -> Iterator[pa.Table]:
    for item in rows.to_pylist():
        work = ShardWork.from_row(item)
        with board.reading(work.shard.id) as progress:
            for chunk in stages.read(work, progress):
                yield chunk.to_row()


def _write(board: Board, stages: CaptionStages, rows: pa.Table) -> pa.Table:
    write, receipts = stages.write(), []
    for chunk in Chunk.from_rows(rows):
        with board.working("write", chunk.file_name):
            receipts.append(write(chunk).to_json())
    return pa.table({"receipt": receipts})


def _task(resources: TaskResources) -> dict[str, Any]:
    return {
        **_ONE_CHUNK,
        "compute": TaskPoolStrategy(),
        "num_cpus": resources.num_cpus,
    }


def actor_pool(resources: ActorResources) -> dict[str, Any]:
    """Arguments of `map_batches` for a stage in actors."""
    return {
        **_ONE_CHUNK,
        "compute": ActorPoolStrategy(size=resources.actors),
        "num_cpus": resources.num_cpus,
        "num_gpus": resources.num_gpus,
    }


_ONE_CHUNK: dict[str, Any] = {"batch_size": 1, "batch_format": "pyarrow", "zero_copy_batch": True}


def configure_ray_data() -> None:
    """Let chunks leave tasks one by one, and keep Ray Data's own bars and tracebacks off the console."""
    context = DataContext.get_current()
    # a block is full as soon as it holds a chunk: chunks leave a reading task one by one, not at its end
    context.target_max_block_size = 1
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.raise_original_map_exception = True  # Ray's wrapper loses its cause on the way to the driver
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL + 1)  # what it prints of errors, RunError says


def _cause(error: RayTaskError) -> str:
    cause: BaseException = error
    while isinstance(inner := getattr(cause, "cause", None) or cause.__cause__, BaseException):
        cause = inner
        if isinstance(cause, (UserError, RunError)):  # says all there is to say; what follows is Ray Data's
            return str(cause).splitlines()[0]
    if isinstance(cause, RayError):
        return f"a stage failed: {_last_message(cause)}{_fix(cause)}"
    return f"a stage failed: {type(cause).__name__}: {describe(cause)}"


_LESS_MEMORY = (
    "Lower `chunk_rows` or `chunk_bytes`, feature_batch, candidate_batch or rerank_batch, or `actors` under "
    "`resources`."
)


def _fix(error: RayError) -> str:
    if isinstance(error, (ObjectStoreFullError, OutOfDiskError)):
        return " Make room in /dev/shm and on the disk of RAY_TMPDIR (default: /tmp), or lower `chunk_bytes`."
    if isinstance(error, (OutOfMemoryError, RayActorError, WorkerCrashedError)):
        return f" A process that is killed was as a rule out of memory. {_LESS_MEMORY}"
    return ""


def _last_message(error: RayError) -> str:
    """What stands below the traceback that Ray put into the error's text, with its indented lines."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    start = max((number for number, line in enumerate(lines) if not line[0].isspace()), default=0)
    return describe(RuntimeError(" ".join(lines[start:])))
