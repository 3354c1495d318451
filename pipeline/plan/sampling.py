"""A few images from all over an archive, read as a run reads them."""

from collections.abc import Sequence
from itertools import islice

import pyarrow as pa

from pipeline.chunk import Chunk
from pipeline.execution.caption_stages import CaptionStages
from pipeline.plan.counting import spread
from pipeline.sources import ChunkLimits, Shard, read_chunks

_SHARDS = 8  # of which images are taken, if they have as many
_TRIED = 64  # that are opened, at most: some may be short, missing or broken


def sample_images(stages: CaptionStages, shards: Sequence[Shard], images: int) -> Chunk | None:
    """At most so many rows as one chunk, the first of several shards each; None where no shard has any."""
    if not shards:
        return None
    limits = stages.config.limits()
    each = -(-images // min(_SHARDS, len(shards)))
    few = ChunkLimits(each, limits.bytes, limits.max_bytes)
    tables: list[pa.Table] = []
    for shard in islice(spread(shards), _TRIED):
        chunk = next(read_chunks(shard, few, {}), None)
        if chunk is not None and chunk.samples.num_rows:
            tables.append(chunk.samples.slice(0, each))
        if sum(table.num_rows for table in tables) >= images:
            break
    return Chunk("sample", 0, True, pa.concat_tables(tables).slice(0, images)) if tables else None
