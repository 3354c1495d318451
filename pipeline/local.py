"""The pipeline's stages as a chain of generators in this process: no Ray, one chunk at a time."""

from collections.abc import Iterable, Iterator

from pipeline.chunk import Chunk
from pipeline.resources import ActorResources
from pipeline.stages import CaptionStages, ShardWork
from pipeline.write import Receipt


def caption_chunks_locally(
    stages: CaptionStages, work: Iterable[ShardWork], torch_threads: int = 1
) -> Iterator[Chunk]:
    """Captioned chunks in the order of the shards, ready for the sink."""
    resources = ActorResources(num_cpus=1, torch_threads=torch_threads)
    builders = stages.builders(dict.fromkeys(stages.model_stages(), resources))
    steps = [*stages.pixel_stages(), *(build() for build in builders.values())]
    for shard_work in work:
        for chunk in stages.read(shard_work):
            samples = chunk.samples
            for step in steps:
                samples = step(samples)
            yield chunk.with_samples(samples)


def caption_locally(
    stages: CaptionStages, work: Iterable[ShardWork], torch_threads: int = 1
) -> Iterator[Receipt]:
    """Caption and write; yields a receipt a chunk, as the Ray graph does."""
    write = stages.write()
    for chunk in caption_chunks_locally(stages, work, torch_threads):
        yield write(chunk)
