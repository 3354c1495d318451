"""The metrics of a run on Ray, for Prometheus: names, units and tags. The documentation's table follows from
this list, the dashboard and the alerts are checked against it, and `export_metrics.py` gives the values.

All are exported by the driver, of which a run has one, so that a run is few series: no tag names an image, a
chunk or a worker. Ray adds `ray_` before each name, `_total` behind a counter's, and tags of its own, among
them `SessionName`, the cluster.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True)
class RunMetric:
    """`name` is without what Ray adds, and ends with the unit where there is one; `buckets` are the upper
    bounds of a histogram's.
    """

    name: str
    kind: Kind
    about: str
    tags: tuple[str, ...] = ("run",)
    buckets: tuple[float, ...] = ()

    @property
    def exported(self) -> str:
        """As Prometheus has it."""
        return f"ray_{self.name}_total" if self.kind == "counter" else f"ray_{self.name}"


_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
_ROWS = (1.0, 8.0, 32.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0)
_SCORES = (0.05, 0.1, *(hundredths / 100 for hundredths in range(14, 37, 2)), 0.4, 0.5, 0.7, 1.0)

ROWS = RunMetric("maccap_rows", "counter", "rows written by this command, those with an error included")
ERRORS = RunMetric("maccap_errors", "counter", "rows written with an error, by its kind", ("run", "kind"))
CHUNKS = RunMetric("maccap_chunks", "counter", "chunks written, each a Parquet file")
WRITTEN_BYTES = RunMetric("maccap_written_bytes", "counter", "bytes of these files")
TOKENS = RunMetric("maccap_tokens", "counter", "tokens that the language model wrote as candidates")
RETRIES = RunMetric("maccap_storage_retries", "counter", "requests to a storage that were tried again")
STAGE_SECONDS = RunMetric(
    "maccap_stage_seconds",
    "histogram",
    "time that a chunk spent in a stage, `read` and `write` included",
    ("run", "stage"),
    _SECONDS,
)
CHUNK_ROWS = RunMetric("maccap_chunk_rows", "histogram", "rows of a chunk", buckets=_ROWS)
CLIP_SCORE = RunMetric(
    "maccap_clip_score", "histogram", "CLIP's cosine of each caption with its image", buckets=_SCORES
)

ROWS_DONE = RunMetric("maccap_rows_done", "gauge", "rows in the table, those of earlier commands included")
ROWS_EXPECTED = RunMetric(
    "maccap_rows_expected", "gauge", "rows of the whole run; of tars an estimate, once one of them is done"
)
ROWS_READ = RunMetric(
    "maccap_rows_read", "gauge", "rows read by this command, captioned or still on their way"
)
SHARDS = RunMetric(
    "maccap_shards", "gauge", "shards of the run; it is there as long as the command works on it"
)
SHARDS_DONE = RunMetric("maccap_shards_done", "gauge", "shards of which the last chunk is written")
LEFT_SECONDS = RunMetric(
    "maccap_left_seconds", "gauge", "time that the rest takes at this command's throughput"
)
MOVED = RunMetric(
    "maccap_moved_timestamp_seconds", "gauge", "when a row was last read or a chunk written, in Unix time"
)
WORKING = RunMetric("maccap_working", "gauge", "workers that are at a chunk, by stage", ("run", "stage"))
COST = RunMetric("maccap_cost_dollars", "gauge", "what this command has cost, where a price is given")
PROJECTED_COST = RunMetric(
    "maccap_projected_cost_dollars", "gauge", "what it will have cost when it is done, at this throughput"
)
MAX_COST = RunMetric("maccap_max_cost_dollars", "gauge", "`--max-cost`, at which it stops")

METRICS: tuple[RunMetric, ...] = (
    *(ROWS, ERRORS, CHUNKS, WRITTEN_BYTES, TOKENS, RETRIES, STAGE_SECONDS, CHUNK_ROWS, CLIP_SCORE),
    *(ROWS_DONE, ROWS_EXPECTED, ROWS_READ, SHARDS, SHARDS_DONE, LEFT_SECONDS, MOVED, WORKING),
    *(COST, PROJECTED_COST, MAX_COST),
)
