"""The images of a run's rows, read again from the run's source, shard by shard."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipeline.evaluate.captions import Row
from pipeline.run.run_folder import existing_run
from pipeline.sources import ChunkLimits, SourceOptions, chunk_samples, plan_source, read_shard
from pipeline.storage.redact import printable

_BATCH = 64  # images in a table
_AT_ONCE = ChunkLimits().bytes // 4


def read_images(run: str, rows: Sequence[Row]) -> Iterator[pa.Table]:
    """The rows' images as stages take them (`SOURCE_SCHEMA`), some in a table; one that cannot be
    read has an `error`, and one that is no longer there is left out.

    Other samples of a shard are passed over without loading. Raises UserError where the source is gone.
    """
    _, facts = existing_run(run)
    wanted = defaultdict[str, set[str]](set)
    for row in rows:
        wanted[row.shard].add(row.image_id)
    limits = ChunkLimits(rows=_BATCH, bytes=_AT_ONCE, max_bytes=facts.max_bytes)
    for shard in plan_source(facts.source, SourceOptions.of(facts)).shards:
        ids = wanted.get(printable(shard.id))
        if not ids:
            continue
        samples = (
            sample for sample in read_shard(shard, facts.max_bytes) if printable(sample.image_id) in ids
        )
        for chunk in chunk_samples(shard.id, samples, limits):
            if chunk.samples.num_rows:
                yield chunk.samples
