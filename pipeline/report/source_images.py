"""The images of some rows, one after another, from the source that the run read."""

from collections.abc import Iterator, Mapping
from itertools import islice

from pipeline.run.facts import RunFacts
from pipeline.sources import ChunkLimits, Sample, Shard, SourceOptions, chunk_samples, plan_source, read_shard
from pipeline.sources.registry import source_of
from pipeline.storage.errors import UserError
from pipeline.storage.redact import printable, redacted

_LIMITS = {"rows": 16, "bytes": 64 << 20}  # what is in memory at once


def source_images(
    facts: RunFacts, wanted: Mapping[str, Mapping[int, str]]
) -> Iterator[tuple[str, int, bytes]]:
    """Shard, index and file of each wanted image that is still in its place. `wanted` are image ids by
    index by shard. Raises UserError where SOURCE is gone, or has no images.
    """
    shards = plan_source(facts.source, SourceOptions.of(facts)).shards
    if any("image" not in source_of(shard).columns for shard in shards[:1]):
        raise UserError(f"SOURCE {redacted(facts.source)} is a run that keeps features, and has no images")
    for shard in shards:
        if ids := wanted.get(printable(shard.id)):
            for index, image in _images_of(shard, ids, facts.max_bytes):
                yield printable(shard.id), index, image


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
