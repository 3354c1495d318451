"""How many rows an archive has: counted shard by shard for as long as there is time, and judged beyond."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.sources import Shard, read_shard
from pipeline.sources.parquet import ParquetFiles
from pipeline.sources.sample import Sample, row_ids
from pipeline.storage.files import locate, open_blocks

_AROUND = 1024  # bytes of a tar around a member, about
_LOOK = 256  # samples between two looks at the clock


@dataclass
class Counts:
    """`rows` of the shards that were counted, by id. Of those, and of one that was begun, the rows and bytes
    seen tell about the others.
    """

    rows: dict[str, int] = field(default_factory=dict)
    rows_seen: int = 0
    bytes_seen: int = 0

    def is_exact(self, shards: Sequence[Shard]) -> bool:
        return all(shard.id in self.rows for shard in shards)

    def of(self, shard: Shard) -> float:
        """Rows of a shard, counted or by its size; where that is not known, as many as others have."""
        if (counted := self.rows.get(shard.id)) is not None:
            return counted
        if shard.size and self.bytes_seen:
            judged = self.rows_seen / self.bytes_seen * shard.size
        else:
            judged = self.rows_seen / max(1, len(self.rows))
        return judged if shard.limit is None else min(judged, shard.limit)


def count_rows(
    shards: Sequence[Shard], max_bytes: int, seconds: float, clock: Callable[[], float] = time.monotonic
) -> Counts:
    """Count shards from all over the archive for so many seconds. Images are not read, but for those of
    compressed tars, which stand in the way. Raises UserError for a shard that is not what was planned on.
    """
    counts, until = Counts(), clock() + seconds
    for shard in spread(shards):
        rows = _parquet_rows(shard)
        size = shard.size if shard.state else 0
        if rows is None:
            seen = _Seen(until, clock)
            rows = sum(1 for _ in row_ids(shard.id, seen.passing(read_shard(shard, max_bytes))))
            if seen.cut_short:
                counts.rows_seen, counts.bytes_seen = counts.rows_seen + rows, counts.bytes_seen + seen.bytes
                break
        counts.rows[shard.id] = rows
        counts.rows_seen, counts.bytes_seen = counts.rows_seen + rows, counts.bytes_seen + size
        if clock() > until:
            break
    return counts


def spread(shards: Sequence[Shard]) -> list[Shard]:
    """The same from all over the archive, in an order that is the same every time."""
    order = list(shards)
    random.Random(0).shuffle(order)
    return order


class _Seen:
    """Passes samples on until the time is up, and adds up their bytes."""

    def __init__(self, until: float, clock: Callable[[], float]) -> None:
        self._until, self._clock = until, clock
        self.bytes, self.cut_short = 0, False

    def passing(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        for number, sample in enumerate(samples, 1):
            if number % _LOOK == 0 and self._clock() > self._until:
                self.cut_short = True
                return
            self.bytes += sample.size + _AROUND
            yield sample


def _parquet_rows(shard: Shard) -> int | None:
    """Of a Parquet file, by its footer; None for any other shard, and for one whose footer says nothing."""
    if shard.source != ParquetFiles.name:
        return None
    try:
        with open_blocks(*locate(shard.url)) as file:
            rows: int = pq.ParquetFile(file, pre_buffer=False).metadata.num_rows
    except (OSError, ValueError, pa.ArrowException):
        return None
    return rows if shard.limit is None else min(rows, shard.limit)
