"""The images of some rows, one after another, from the source that the run read."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from pipeline.inspect.unchanged_shards import hold_images, unchanged_shards
from pipeline.run.facts import RunFacts
from pipeline.sources import ChunkLimits, Sample, Shard, chunk_samples, read_shard
from pipeline.storage.errors import UserError
from pipeline.storage.redact import printable, redacted

_LIMITS = {"rows": 16, "bytes": 64 << 20}  # what is in memory at once

Wanted = Mapping[str, Mapping[int, str]]
"""Image ids by index by shard, both as the table has them."""


def shards_with_images(facts: RunFacts, planned: Sequence[Shard]) -> dict[str, Shard]:
    """The shards, by their names in the table, that are what the run was planned on. Raises UserError where
    SOURCE is gone, or has no images.
    """
    if not hold_images(planned):
        raise UserError(f"SOURCE {redacted(facts.source)} is a run that keeps features, and has no images")
    return {printable(name): shard for name, shard in unchanged_shards(facts, planned).items()}


def source_images(
    shards: Mapping[str, Shard], wanted: Wanted, max_bytes: int
) -> Iterator[tuple[str, int, bytes]]:
    """Shard, index and file of each wanted image of `shards` that is still in its place."""
    for name, ids in wanted.items():
        if shard := shards.get(name):
            for index, image in _images_of(shard, ids, max_bytes):
                yield name, index, image


def _images_of(shard: Shard, ids: Mapping[int, str], max_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Those that are what they were; none behind the place where the shard cannot be read on."""
    found: list[int] = []

    def samples() -> Iterator[Sample]:
        for index, sample in enumerate(islice(read_shard(shard, max_bytes), max(ids) + 1)):
            if ids.get(index) == printable(sample.image_id):
                found.append(index)
                yield sample

    done = 0
    for chunk in chunk_samples(shard.id, samples(), ChunkLimits(max_bytes=max_bytes, **_LIMITS)):
        images = chunk.samples["image"]
        for row in range(min(len(images), len(found) - done)):
            if (image := images[row].as_py()) is not None:
                yield found[done + row], image
        done += len(images)
