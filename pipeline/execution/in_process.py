"""The pipeline's stages as a chain of generators in this process: no Ray, one chunk at a time."""

from collections.abc import Iterable, Iterator, Sequence

from maccap.runtime.process_memory import give_back
from pipeline.chunk import Chunk
from pipeline.execution.caption_stages import CaptionStages, ShardWork, Stage
from pipeline.stages.resources import ActorResources
from pipeline.stages.write import Receipt


def caption_chunks_locally(stages: CaptionStages, work: Iterable[ShardWork]) -> Iterator[Chunk]:
    """Captioned chunks in the order of the shards, ready for the sink."""
    steps = local_steps(stages, ActorResources(num_cpus=1))
    for shard_work in work:
        for chunk in stages.read(shard_work):
            yield captioned(chunk, steps)


def caption_locally(stages: CaptionStages, work: Iterable[ShardWork]) -> Iterator[Receipt]:
    """Caption and write; yields a receipt a chunk, as the Ray graph does."""
    write = stages.write()
    for chunk in caption_chunks_locally(stages, work):
        yield write(chunk)


def local_steps(stages: CaptionStages, resources: ActorResources) -> list[Stage]:
    """The stages from decoding to reranking, weights loaded; of `resources`, device and threads count."""
    builders = stages.builders(dict.fromkeys(stages.model_stages(), resources))
    # the language model last: a CLIP takes twice its size while it loads, when little else should be held
    loaded = {name: builders[name]() for name in sorted(builders, key=lambda name: name == "candidates")}
    return [*stages.pixel_stages(), *(loaded[name] for name in builders)]


def captioned(chunk: Chunk, steps: Sequence[Stage]) -> Chunk:
    """A chunk as it was read, through all `steps`."""
    samples = chunk.samples
    for step in steps:
        samples = step(samples)
        give_back()  # the next stage's memory is not to come on top of what this one no longer holds
    return chunk.with_samples(samples)
