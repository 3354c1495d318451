"""The pipeline's stages as a chain of generators in this process: no Ray, one chunk at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from maccap.runtime.cgroup_limits import cores
from maccap.runtime.process_memory import trim_heap
from pipeline.chunk import Chunk
from pipeline.execution.budget import Size
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.execution.stage_errors import at_chunk, telling
from pipeline.run.progress import Progress
from pipeline.stages.measured import read_measured, run_measured
from pipeline.stages.resources import StageResources
from pipeline.stages.stage import Stage
from pipeline.stages.steps import Step
from pipeline.stages.write import WriteResult

BuiltSteps = Sequence[tuple[Step, Stage]]
NoteRead = Callable[[int], object]


class CaptionInProcess:
    """Where a run computes without Ray: on the first GPU, or on all cores that this process may use."""

    @property
    def has_gpu(self) -> bool:
        import torch

        return torch.cuda.is_available()

    @property
    def size(self) -> Size:
        """This machine, all of which is paid for."""
        import torch

        return Size(machines=1, gpus=torch.cuda.device_count())

    def caption(
        self, stages: CaptionStages, work: Iterable[ShardWork], progress: Progress
    ) -> Iterator[WriteResult]:
        """Caption and write `work`; yields a result per chunk, and tells `progress` the rows that it read."""
        resources = StageResources(num_cpus=1, num_gpus=self.has_gpu, torch_threads=cores())
        return caption_in_process(stages, work, resources, progress.note_read)


def caption_in_process(
    stages: CaptionStages,
    work: Iterable[ShardWork],
    resources: StageResources | None = None,
    note_read: NoteRead = lambda rows: None,
) -> Iterator[WriteResult]:
    """Caption and write, as the Ray graph does; of `resources`, device and threads count. Raises RunError."""
    write = stages.write()
    for chunk in captioned_chunks(stages, work, resources, note_read):
        with telling(at_chunk("write", chunk.file_name)):
            result = write(chunk)
        yield result


def captioned_chunks(
    stages: CaptionStages,
    work: Iterable[ShardWork],
    resources: StageResources | None = None,
    note_read: NoteRead = lambda rows: None,
) -> Iterator[Chunk]:
    """Captioned chunks in the order of the shards, ready for the sink. Raises RunError."""
    steps = built_steps(stages, resources or StageResources(num_cpus=1))
    rows = _RowsRead(note_read)
    try:
        for shard_work in work:
            with telling(f"shard {shard_work.shard.id} cannot be read"):
                chunks = read_measured(stages.read(shard_work, rows.of_shard))
                while (chunk := next(chunks, None)) is not None:
                    yield captioned(chunk, steps)
            rows.end_shard()
    finally:
        for _, stage in steps:
            stage.close()


class _RowsRead:
    """Adds up the rows of shards, one after another."""

    def __init__(self, note_read: NoteRead) -> None:
        self._note, self._before, self._rows = note_read, 0, 0

    def of_shard(self, rows: int) -> None:
        self._rows = rows
        self._note(self._before + rows)

    def end_shard(self) -> None:
        self._before, self._rows = self._before + self._rows, 0


def built_steps(stages: CaptionStages, resources: StageResources) -> BuiltSteps:
    """All stages of a run, weights loaded; of `resources`, device and threads count. Raises RunError."""
    steps = stages.steps()
    # the language model last: a CLIP takes twice its size while it loads, when little else should be held
    order = sorted(steps, key=lambda step: step.stage.name in ("candidates", "answers"))
    built = {}
    for step in order:
        with telling(f"stage {step.stage.name} cannot start"):
            built[step.stage] = stages.build(step, resources)
    return [(step, built[step.stage]) for step in steps]


def captioned(chunk: Chunk, steps: BuiltSteps) -> Chunk:
    """A chunk as it was read, through all `steps`. Raises RunError."""
    samples = chunk.samples
    for step, stage in steps:
        with telling(at_chunk(step.stage.name, chunk.file_name)):
            samples = run_measured(step, stage, samples)
        trim_heap()  # the next stage's memory is not to come on top of what this one no longer holds
    return chunk.with_samples(samples)
