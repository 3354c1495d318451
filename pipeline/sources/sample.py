"""What every source yields, and how samples become chunks."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

from pipeline.chunk import SOURCE_SCHEMA, Chunk
from pipeline.sources.chunk_places import Gap, gaps
from pipeline.sources.loading import Reserve, loading_ahead
from pipeline.sources.metadata import byte_length
from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe, printable

MAX_BYTES = 256 << 20

_UNREAD = 128  # a URL that failed counts as this part of a chunk's bytes: a retry may find an image there
_TOGETHER = 8  # times a chunk's bytes: what a retry may hold where its rows are fixed and images have grown


@dataclass(frozen=True)
class Sample:
    """One sample. `load` reads the image, and `read_metadata` the metadata where that lies apart: they are
    called if its chunk is wanted. `size` in bytes is what is known of it before, metadata included, and 0
    where only loading tells. `ahead` is there if the image comes over a network: it reads as `load` does,
    from any thread, and asks `Reserve` before it holds more.
    """

    image_id: str
    size: int = 0
    load: Callable[[], bytes] | None = None
    metadata: str | None = None
    error: str | None = None
    ahead: Callable[[Reserve], bytes] | None = None
    read_metadata: Callable[[], str | None] | None = None


@dataclass(frozen=True)
class ChunkLimits:
    """A chunk ends at `rows` samples, or before the sample that would take it past `bytes`, metadata
    included. A sample of more than `max_bytes` is not read.
    """

    rows: int = 512
    bytes: int = 256 << 20
    max_bytes: int = MAX_BYTES


def chunk_samples(
    shard: str,
    samples: Iterable[Sample],
    limits: ChunkLimits,
    skip: Mapping[int, range] | Collection[int] = (),
    progress: Callable[[int], object] | None = None,
) -> Iterator[Chunk]:
    """Cut a shard's samples into chunks, without those at the positions in `skip`, which are written.

    A mapping tells which rows of the shard each of them holds. Those are passed over without loading, and
    the chunks between are cut to fit, whatever URLs answer now. Without it chunks are cut by the samples'
    sizes again, which takes loading where only that tells them.

    Whatever the reader raises ends the shard with one error row of its own, after the samples already read;
    a UserError alone is raised: no shard can be read before the user has put that right. The last chunk is
    marked, and a shard without samples is one chunk without rows: the sink leaves a trace of each.
    `progress` is called with the number of the shard's rows that were read or passed over, after each.
    """
    told = progress or (lambda rows: None)
    written = skip if isinstance(skip, Mapping) else {}
    rows = enumerate(_ending_in_an_error_row(shard, samples))
    places = gaps(written)
    without_rows: list[Gap] = []

    def wanted() -> Iterator[tuple[Gap, int, Sample]]:
        gap = next(places)
        for index, sample in rows:
            while gap.stop is not None and index >= gap.stop:
                without_rows.extend([gap] if gap.start == gap.stop else [])
                gap = next(places)
            if index >= gap.start:
                yield gap, index, sample
            else:
                told(index + 1)

    cutter = _Cutter(shard, limits, frozenset(() if isinstance(skip, Mapping) else skip))
    for (gap, index, sample), load in loading_ahead(wanted(), lambda row: row[2]):
        yield from cutter.add(gap, index, sample, load)
        told(index + 1)
    yield from cutter.end(ended_before=bool(written))
    for position in (position for gap in without_rows for position in gap.positions):
        yield Chunk(shard, position, False, SOURCE_SCHEMA.empty_table())


class _Cutter:
    """Rows on their way into chunks."""

    def __init__(self, shard: str, limits: ChunkLimits, skip: Collection[int]) -> None:
        self._shard, self._limits, self._skip = shard, limits, skip
        self._gap: Gap | None = None
        self._number = 0  # of the chunk, within its gap
        self._next = 0  # index of the row that is due
        self._rows = self._size = 0
        self._pending: list[dict[str, Any]] = []

    def add(self, gap: Gap, index: int, sample: Sample, load: Callable[[], bytes] | None) -> Iterator[Chunk]:
        if gap != self._gap:
            yield from self._leave_gap()
            self._gap, self._number = gap, 0
        row: dict[str, Any] | None = None
        size = max(sample.size, byte_length(sample.metadata))
        if load is not None and not sample.size:
            row = self._loaded(index, sample, load)
            unread = self._limits.bytes // _UNREAD if sample.ahead else 0
            size += len(row["image"]) if row["image"] is not None else unread
        if self._is_full(gap, index, size):
            yield from self._close(gap, last=False)
        if gap.position(self._number) not in self._skip:
            row = row or self._loaded(index, sample, load)
            if gap.is_last(self._number) and self._size + size > _TOGETHER * self._limits.bytes:
                row["image"], row["error"] = None, row["error"] or _GROWN
            self._pending.append(row)
        self._rows, self._size, self._next = self._rows + 1, self._size + size, index + 1

    def end(self, ended_before: bool) -> Iterator[Chunk]:
        """A shard that ends within a gap ends there, whatever was written behind it."""
        if self._gap is None and not ended_before:
            self._gap = Gap((0,), 0)
        if self._gap is not None and self._next == self._gap.stop:
            yield from self._leave_gap()
        elif self._gap is not None:
            yield from self._close(self._gap, last=True)

    def _is_full(self, gap: Gap, index: int, size: int) -> bool:
        if not self._rows or gap.is_last(self._number):
            return False
        limits = self._limits
        full = self._rows >= limits.rows or self._size + size > limits.bytes
        return full or gap.is_short(self._number, index)

    def _leave_gap(self) -> Iterator[Chunk]:
        """With a chunk for each of its positions: what is written behind it keeps its own."""
        while self._gap is not None and self._number < len(self._gap.positions):
            yield from self._close(self._gap, last=False)

    def _close(self, gap: Gap, last: bool) -> Iterator[Chunk]:
        position, rows = gap.position(self._number), self._pending
        self._pending, self._rows, self._size = [], 0, 0
        self._number += 1
        if position not in self._skip:
            table = pa.Table.from_pylist(rows, SOURCE_SCHEMA)
            rows.clear()  # the images are in the table now, and whoever takes it may keep us waiting
            yield Chunk(self._shard, position, last, table)

    def _loaded(self, index: int, sample: Sample, load: Callable[[], bytes] | None) -> dict[str, Any]:
        return _source_row(self._shard, index, sample, load, self._limits.max_bytes)


def count_samples(shard: str, samples: Iterable[Sample], at_most: int) -> int:
    """How many rows the samples make, read no further than `at_most`."""
    return sum(1 for _ in islice(_ending_in_an_error_row(shard, samples), at_most))


def row_ids(shard: str, samples: Iterable[Sample]) -> Iterator[str]:
    """The image ids of the rows that these samples become, without loading their images."""
    return (printable(sample.image_id) for sample in _ending_in_an_error_row(shard, samples))


def _ending_in_an_error_row(shard: str, samples: Iterable[Sample]) -> Iterator[Sample]:
    try:
        yield from samples
    except UserError:
        raise
    except Exception as error:  # of any library that reads a shard, damaged in any way
        yield Sample(shard, error=f"the rest of shard {printable(shard)} cannot be read: {describe(error)}")


_GROWN = (
    "its images were not there when its file of the table was first written, and are too large together now; "
    "caption SOURCE into another OUTPUT"
)


def _source_row(
    shard: str, index: int, sample: Sample, load: Callable[[], bytes] | None, max_bytes: int
) -> dict[str, Any]:
    image, error = None, sample.error
    if sample.size > max_bytes and error is None:
        error = f"{sample.size} bytes are more than the limit of {max_bytes} (max_bytes); it was not read"
    if error is None and load is not None:
        try:
            image = load()
        except UserError:
            raise
        except Exception as failure:  # of any storage's client, or of the image's own reader
            error = f"cannot be read: {describe(failure)}"
    return {
        "image_id": printable(sample.image_id),
        "shard": printable(shard),
        "index": index,
        "metadata": sample.read_metadata() if sample.read_metadata else sample.metadata,
        "error": error,
        "image": image,
    }
