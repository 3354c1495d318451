"""Where samples come from: `plan_source` names the shards of a SOURCE, `read_shard` yields one's samples."""

from pipeline.sources.plan import SourceOptions, SourcePlan, absolute_source, plan_source, read_shard
from pipeline.sources.sample import ChunkLimits, Sample, Shard, chunk_samples, count_samples

__all__ = [
    "ChunkLimits",
    "Sample",
    "Shard",
    "SourceOptions",
    "SourcePlan",
    "absolute_source",
    "chunk_samples",
    "count_samples",
    "plan_source",
    "read_shard",
]
