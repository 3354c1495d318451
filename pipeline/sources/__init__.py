"""Where samples come from: `plan_source` names the shards of a SOURCE, `read_shard` yields one's samples."""

from pipeline.sources.found_files import MISSING
from pipeline.sources.image_column import check_parquet_files
from pipeline.sources.plan import SourceOptions, SourcePlan, absolute_source, plan_source, read_shard
from pipeline.sources.sample import ChunkLimits, Sample, Shard, chunk_samples, count_samples

__all__ = [
    "MISSING",
    "ChunkLimits",
    "Sample",
    "Shard",
    "SourceOptions",
    "SourcePlan",
    "absolute_source",
    "check_parquet_files",
    "chunk_samples",
    "count_samples",
    "plan_source",
    "read_shard",
]
