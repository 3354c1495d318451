"""The chunk: up to `chunk_rows` consecutive samples of one shard, the unit of work from source to sink.

Ray Data splits and joins blocks as it likes, so a chunk is one Ray *row* that cannot be torn: its id beside
its samples, an Arrow table as IPC bytes, which is read back without a copy. Stages map one table of samples
to another; columns come and go as the chunk travels (see `pipeline.stages.stage`), and a row whose `error` is
set keeps its place to the end.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

SOURCE_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("shard", pa.string()),
        ("index", pa.int64()),
        ("metadata", pa.large_string()),
        ("error", pa.string()),
        ("image", pa.large_binary()),
    ]
)
"""What a source yields. `index` counts the samples of the shard; `metadata` is the sample's own, as JSON."""

SOURCE_COLUMNS = tuple(SOURCE_SCHEMA.names)

RUN_KEY = b"maccap.run"
CHUNK_KEY = b"maccap.chunk"
"""Keys of a caption file's metadata: facts of the run, and of the chunk (position, last, errors)."""

DECODERS_KEY = b"maccap.decoders"
"""Of a chunk's samples on their way: how many of them a package but Pillow decoded, by its name, as JSON."""


@dataclass(frozen=True)
class Column:
    """A column of the samples; `about` is its line in the documentation. A list type without a size stands
    for fixed-size lists of any one size.
    """

    name: str
    type: pa.DataType
    about: str


TABLE_STARTS_WITH = (
    Column("image_id", pa.string(), "the sample's name in its source: a path, a tar's name and key, an id"),
    Column("shard", pa.string(), "the tar, Parquet file or part of a folder that it lies in"),
    Column("index", pa.int64(), "its place in the shard, from 0"),
)
TABLE_ENDS_WITH = (
    Column("error", pa.string(), "why the image could not be captioned or asked; null where it could"),
    Column("metadata", pa.string(), "the sample's own fields and texts, untouched, as JSON"),
)
"""The columns of the caption table that come from the source; between them are those of the stages."""

_FILE_NAME = re.compile(r"^(?P<stem>.+-[0-9a-f]{16})\.(?P<position>\d{5,})\.parquet$")
_ARCHIVE_SUFFIX = re.compile(r"\.(tar|tgz|tar\.gz|tar\.bz2|tar\.xz|parquet)$", re.IGNORECASE)


@dataclass(frozen=True)
class Chunk:
    """`samples` are the rows at `position` (counted in chunks) of `shard`; `last` marks the shard's final
    chunk.
    """

    shard: str
    position: int
    last: bool
    samples: pa.Table

    @property
    def file_name(self) -> str:
        return chunk_file_name(self.shard, self.position)

    def with_samples(self, samples: pa.Table) -> "Chunk":
        return replace(self, samples=samples)

    def to_row(self) -> pa.Table:
        """As a Ray block of one row; the samples are serialised once, and their bytes not copied again."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.samples.schema) as writer:
            writer.write_table(self.samples)
        data = sink.getvalue()
        offsets = pa.py_buffer(pa.array([0, data.size], pa.int64()).buffers()[1])
        return pa.table(
            {
                "shard": pa.array([self.shard]),
                "position": pa.array([self.position], pa.int64()),
                "last": pa.array([self.last]),
                "samples": pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, data]),
            }
        )

    @classmethod
    def from_rows(cls, rows: pa.Table) -> Iterator["Chunk"]:
        """The chunks of a Ray block. Their samples are views of it, not copies."""
        for batch in rows.to_batches():
            for row in range(batch.num_rows):
                yield cls(
                    shard=batch["shard"][row].as_py(),
                    position=batch["position"][row].as_py(),
                    last=batch["last"][row].as_py(),
                    samples=pa.ipc.open_stream(_value(batch["samples"], row)).read_all(),
                )


def _value(column: pa.LargeBinaryArray, row: int) -> pa.Buffer:
    """The bytes of one value as a view; a pyarrow scalar would be a copy."""
    _, offsets, data = column.buffers()
    start, end = memoryview(offsets).cast("b").cast("q")[column.offset + row : column.offset + row + 2]
    return data.slice(start, end - start)


def shard_file_stem(shard: str) -> str:
    """The shard's part of its chunks' file names: readable, and unique by a hash of the whole id."""
    stem = _ARCHIVE_SUFFIX.sub("", shard.rstrip("/").rsplit("/", 1)[-1])
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_")[:80] or "shard"
    # 64 bits: among a million shards of one name, two share a file name with a chance of 3 in 10^8
    return f"{readable}-{hashlib.sha256(shard.encode()).hexdigest()[:16]}"


def chunk_file_name(shard: str, position: int) -> str:
    """For instance `scenes-000003-1a2b3c4d5e6f7a8b.00002.parquet`; the same on every machine and resume."""
    return file_name(shard_file_stem(shard), position)


def file_name(stem: str, position: int) -> str:
    """The inverse of `parse_file_name`."""
    return f"{stem}.{position:05d}.parquet"


def parse_file_name(name: str) -> tuple[str, int] | None:
    """The shard's stem and the position a chunk's file name was made from; None for any other file."""
    match = _FILE_NAME.match(name)
    return (match["stem"], int(match["position"])) if match else None


def valid_rows(samples: pa.Table) -> list[int]:
    """The rows that are still on their way to a caption."""
    return [row for row, error in enumerate(samples["error"].to_pylist()) if error is None]


def spread(values: list[Any], rows: list[int], total: int) -> list[Any]:
    """`values` at `rows` of a column of `total` entries, None elsewhere."""
    column: list[Any] = [None] * total
    for row, value in zip(rows, values, strict=True):
        column[row] = value
    return column
