"""Where samples come from: `plan_source` names the shards of a SOURCE, `read_shard` yields one's samples.

source.py      what a source is; registry.py: the sources there are
webdataset.py, parquet.py, coco.py, folder.py, kept_features.py    one class a source
grown_folder.py    what a folder of images has grown by, as shards of its own
plan.py        from what a person wrote as SOURCE to shards; found_files.py: the files it stands for
shard.py       what one read task reads
sample.py      what every source yields, and how samples become chunks
"""

from pipeline.sources.options import SourceOptions
from pipeline.sources.plan import SourcePlan, check_shards, growth_apart, plan_source, read_chunks, read_shard
from pipeline.sources.registry import shard_from_json
from pipeline.sources.sample import ChunkLimits, Sample, chunk_samples, count_samples
from pipeline.sources.shard import Shard

__all__ = [
    "ChunkLimits",
    "Sample",
    "Shard",
    "SourceOptions",
    "SourcePlan",
    "check_shards",
    "chunk_samples",
    "count_samples",
    "growth_apart",
    "plan_source",
    "read_chunks",
    "read_shard",
    "shard_from_json",
]
