"""The pipeline's stages as a chain of generators in this process: no Ray, one chunk at a time."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from maccap.runtime.process_memory import trim_heap
from pipeline.chunk import Chunk
from pipeline.execution.caption_stages import CaptionStages, ShardWork
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

    def caption(
        self, stages: CaptionStages, work: Iterable[ShardWork], note_read: NoteRead
    ) -> Iterator[WriteResult]:
        """Caption and write `work`; yields a result per chunk, and tells `note_read` how many rows were
        read.
        """
        resources = StageResources(num_cpus=1, num_gpus=self.has_gpu, torch_threads=cores())
        return caption_in_process(stages, work, resources, note_read)


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def caption_in_process(
    stages: CaptionStages,
    work: Iterable[ShardWork],
    resources: StageResources | None = None,
    note_read: NoteRead = lambda rows: None,
) -> Iterator[WriteResult]:
    """Caption and write, as the Ray graph does; of `resources`, device and threads count."""
    write = stages.write()
    for chunk in captioned_chunks(stages, work, resources, note_read):
        yield write(chunk)


def captioned_chunks(
    stages: CaptionStages,
    work: Iterable[ShardWork],
    resources: StageResources | None = None,
    note_read: NoteRead = lambda rows: None,
) -> Iterator[Chunk]:
    """Captioned chunks in the order of the shards, ready for the sink."""
    steps = built_steps(stages, resources or StageResources(num_cpus=1))
    rows = 0
    try:
        for shard_work in work:
            for chunk in stages.read(shard_work):
                rows += chunk.samples.num_rows
                note_read(rows)
                yield captioned(chunk, steps)
    finally:
        for _, stage in steps:
            stage.close()


def built_steps(stages: CaptionStages, resources: StageResources) -> BuiltSteps:
    """All stages of a run, weights loaded; of `resources`, device and threads count."""
    steps = stages.steps()
    # the language model last: a CLIP takes twice its size while it loads, when little else should be held
    order = sorted(steps, key=lambda step: step.stage.name == "candidates")
    built = {step.stage: stages.build(step, resources) for step in order}
    return [(step, built[step.stage]) for step in steps]


def captioned(chunk: Chunk, steps: BuiltSteps) -> Chunk:
    """A chunk as it was read, through all `steps`."""
    samples = chunk.samples
    for step, stage in steps:
        samples = step.run(stage, samples)
        trim_heap()  # the next stage's memory is not to come on top of what this one no longer holds
    return chunk.with_samples(samples)
