"""The stages as a Ray Data graph: shards in, results out.

    shards -> read -> decode -> features -> candidates -> rerank -> write -> results
              tasks   tasks     actors      actors        actors    tasks

Each operator maps one row to one row, and a row is a whole chunk. Image bytes and arrays stay in Ray's object
store; the driver sees results alone, and gives Ray's metrics what they tell.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pyarrow as pa
import ray
from ray.data import TaskPoolStrategy
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
from pipeline.execution.budget import Size
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.execution.cluster import Cluster
from pipeline.execution.export_metrics import ExportedMetrics
from pipeline.execution.ray_operators import StageActor, actor_pool, configure_ray_data, short_tasks
from pipeline.execution.stage_errors import LESS_MEMORY, at_chunk, telling
from pipeline.execution.waiting import WaitingStages
from pipeline.execution.watchdog import watched
from pipeline.execution.worker_activity import WorkerActivity
from pipeline.run.log import run_name
from pipeline.run.progress import Progress
from pipeline.run.run_periodically import run_periodically
from pipeline.stages.measured import read_measured, run_measured
from pipeline.stages.resources import Resources
from pipeline.stages.stage import Stage
from pipeline.stages.steps import Stages, Step
from pipeline.stages.torch_runtime import is_device_lost
from pipeline.stages.write import WriteResult
from pipeline.storage.errors import RunError, UserError
from pipeline.storage.redact import describe


class CaptionOnRay:
    """Where a run computes: on the Ray that this process is connected to, or a new local one, joined or
    started when first needed. `chosen` are the requests of its `stages`, None for ones fitted to the cluster,
    or to the `expected_gpus` that it grows to. `say` is told which stages wait for room on it.
    """

    def __init__(
        self,
        chosen: Resources | None,
        stages: Stages,
        expected_gpus: int | None = None,
        say: Callable[[str], object] = lambda line: None,
    ) -> None:
        self._cluster, self._say = Cluster(chosen, stages, expected_gpus or 0), say

    @property
    def has_gpu(self) -> bool:
        return self._cluster.has_gpu

    @property
    def size(self) -> Size:
        return self._cluster.size

    def caption(
        self, stages: CaptionStages, work: Iterable[ShardWork], progress: Progress
    ) -> Iterator[WriteResult]:
        """As `caption_on_ray`."""
        return caption_on_ray(stages, work, self._cluster.resources, progress, self._say)


def caption_on_ray(
    stages: CaptionStages,
    work: Iterable[ShardWork],
    resources: Resources,
    progress: Progress | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> Iterator[WriteResult]:
    """Caption and write `work`; yields each chunk's result as its file appears, and tells `progress` now
    and then how many rows were read. What comes of it goes to Ray's metrics too. Raises RunError, also where
    nothing moves for the run's `stall_seconds`.
    """
    progress, run = progress or Progress(shards=0), run_name(stages.output)
    activity, exported = WorkerActivity.start(run), ExportedMetrics(run)

    def look() -> None:
        progress.note_read(activity.rows_read())
        exported.note_progress(progress, activity.working_by_stage())
        waiting.look()

    results = _results(activity, stages, work, resources)
    pools = {
        step.stage.name: resources.of(step.stage.name) for step in stages.steps() if step.stage.has_weights
    }
    waiting = WaitingStages(resources.read, pools, activity.begun, say)
    with run_periodically(_LOOK_SECONDS, look):
        for text in watched(results, stages.config.stall_seconds, activity.report, activity.quiet):
            result = WriteResult.from_json(text)
            exported.note_result(result)
            yield result
    look()


_LOOK_SECONDS = 2.0


def _results(
    activity: WorkerActivity, stages: CaptionStages, work: Iterable[ShardWork], resources: Resources
) -> Iterator[str]:
    configure_ray_data()
    shards = shard_rows(work)
    if shards is None:
        return
    chunks = shards.map_batches(partial(_read, activity, stages), **short_tasks(resources.read))
    for step in stages.steps():
        asked = resources.of(step.stage.name)
        if step.stage.has_weights:
            on_rows = partial(_on_rows, activity, step, partial(stages.build, step, asked))
            pool = actor_pool(asked)
            chunks = chunks.map_batches(StageActor, fn_constructor_args=(on_rows,), **pool)
        else:
            apply = partial(_apply, activity, step, stages.build(step, asked))
            chunks = chunks.map_batches(apply, **short_tasks(asked))
    chunks = chunks.map_batches(partial(_write, activity, stages), **short_tasks(resources.write))
    yield from results_of(chunks)


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


def results_of(rows: ray.data.Dataset) -> Iterator[str]:
    """The column `result`, as its rows are done. Raises RunError."""
    try:
        for batch in rows.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            yield from map(str, batch["result"])
    except RayTaskError as error:
        raise RunError(_cause(error)) from error
    except RayError as error:
        raise RunError(f"Ray failed: {_last_message(error)}{_fix(error)}") from error


def _on_rows(
    activity: WorkerActivity, step: Step, build: Callable[[], Stage]
) -> Callable[[pa.Table], pa.Table]:
    with activity.working(step.stage.name):
        return partial(_apply, activity, step, build())


def _apply(activity: WorkerActivity, step: Step, stage: Stage, rows: pa.Table) -> pa.Table:
    done = []
    for chunk in Chunk.from_rows(rows):
        with activity.working(step.stage.name, chunk.file_name), _said_of(step.stage.name, chunk):
            done.append(chunk.with_samples(run_measured(step, stage, chunk.samples)).to_row())
    return pa.concat_tables(done)


def _said_of(name: str, chunk: Chunk) -> AbstractContextManager[None]:
    """Errors of a stage with its name and the chunk; a lost device stays what it is, for `StageActor`."""
    return telling(at_chunk(name, chunk.file_name), but=_is_lost_device)


def _is_lost_device(error: Exception) -> bool:
    return isinstance(error, RuntimeError) and is_device_lost(error)


def _read(activity: WorkerActivity, stages: CaptionStages, rows: pa.Table) -> Iterator[pa.Table]:
    for item in rows.to_pylist():
        work = ShardWork.from_row(item)
        with activity.reading(work.shard.id) as progress:
            for chunk in read_measured(stages.read(work, progress)):
                yield chunk.to_row()


def _write(activity: WorkerActivity, stages: CaptionStages, rows: pa.Table) -> pa.Table:
    write, results = stages.write(), []
    for chunk in Chunk.from_rows(rows):
        with activity.working("write", chunk.file_name):
            results.append(write(chunk).to_json())
    return pa.table({"result": results})


def _cause(error: RayTaskError) -> str:
    cause: BaseException = error
    while isinstance(inner := getattr(cause, "cause", None) or cause.__cause__, BaseException):
        cause = inner
        if isinstance(cause, (UserError, RunError)):  # says all there is to say; what follows is Ray Data's
            return str(cause).splitlines()[0]
    if isinstance(cause, RayError):
        return f"a stage failed: {_last_message(cause)}{_fix(cause)}"
    return f"a stage failed: {type(cause).__name__}: {describe(cause)}"


def _fix(error: RayError) -> str:
    if isinstance(error, (ObjectStoreFullError, OutOfDiskError)):
        return " Make room in /dev/shm and on the disk of RAY_TMPDIR (default: /tmp), or lower `chunk_bytes`."
    if isinstance(error, (OutOfMemoryError, RayActorError, WorkerCrashedError)):
        return f" A process that is killed was as a rule out of memory. {LESS_MEMORY}"
    return ""


def _last_message(error: RayError) -> str:
    """What stands below the traceback that Ray put into the error's text, with its indented lines."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    start = max((number for number, line in enumerate(lines) if not line[0].isspace()), default=0)
    return describe(RuntimeError(" ".join(lines[start:])))
