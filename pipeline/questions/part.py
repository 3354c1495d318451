"""One file of a store: questions sorted by the hash of their image's name, in small row groups."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_ROW_GROUP = 2048  # questions read to find those of one image
_ORDER = [("hash", "ascending"), ("image", "ascending"), ("place", "ascending")]

SCHEMA = pa.schema(
    [
        pa.field("hash", pa.uint64(), nullable=False),
        pa.field("image", pa.large_string(), nullable=False),  # its name, under the store's rule
        pa.field("place", pa.int64(), nullable=False),  # the question's number in its file, from 1
        pa.field("question_id", pa.large_string(), nullable=False),
        pa.field("question", pa.large_string(), nullable=False),
    ]
)
UNSORTED = SCHEMA.append(pa.field("said", pa.large_string(), nullable=False))  # the image, as the file has it


def part_name(partition: int) -> str:
    return f"part-{partition:05d}.parquet"


class OneNameError(ValueError):
    """Two images of the file have one name under the rule. The arguments are what the file calls them."""


def sort_part(pieces: Sequence[pa.Table]) -> tuple[pa.Buffer, int]:
    """The file of these `UNSORTED` questions, and of how many images they are. Raises OneNameError."""
    table = pa.concat_tables(pieces or [UNSORTED.empty_table()]).sort_by(_ORDER).combine_chunks()
    said, images = table["said"], table["image"]
    first = pc.not_equal(images[1:], images[:-1])  # of its image, from the second row on
    mixed = pc.and_not(pc.not_equal(said[1:], said[:-1]), first)
    if (row := pc.index(mixed, True).as_py()) >= 0:
        raise OneNameError(said[row].as_py(), said[row + 1].as_py())
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.select(SCHEMA.names),
        sink,
        row_group_size=_ROW_GROUP,
        compression="zstd",
        use_dictionary=False,  # of so few rows they take more than they save
        write_statistics=["hash"],
    )
    return sink.getvalue(), (pc.sum(first).as_py() or 0) + (len(table) > 0)


class Part:
    """A part that is open, of which row groups are read alone."""

    def __init__(self, file: Any) -> None:
        self._file = pq.ParquetFile(file)
        metadata = self._file.metadata
        groups = range(metadata.num_row_groups if metadata.num_rows else 0)  # an empty file has one
        stats = [metadata.row_group(n).column(0).statistics for n in groups]
        self._least = np.array([group.min for group in stats], np.uint64)
        self._greatest = np.array([group.max for group in stats], np.uint64)

    def groups_of(self, key: int) -> range:
        """The row groups that may hold this hash: one, or those on which its questions go on."""
        wanted = np.uint64(key)
        first = int(np.searchsorted(self._greatest, wanted, "left"))
        return range(first, int(np.searchsorted(self._least, wanted, "right")))

    def group(self, number: int) -> pa.Table:
        return self._file.read_row_group(number, use_threads=False)

    def table(self, columns: Sequence[str]) -> pa.Table:
        """The whole part."""
        return self._file.read(columns, use_threads=False)
