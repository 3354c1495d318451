"""Parquet files of one schema, with the table's columns or under the names of known data sets."""

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.export.column_names import COLUMN_NAMES
from pipeline.export.format import Example, Format, only_one_caption, table_schema
from pipeline.export.options import ExportOptions
from pipeline.export.run_table import RunTable

GROUP_ROWS = 20_000
GROUP_BYTES = 64 << 20


class ParquetTable(Format):
    """Row groups of up to 20,000 rows, cut into pages by content, so that a storage which knows equal
    pages (Hugging Face's) keeps what two versions share once.
    """

    name = "parquet"
    about = "a table; --columns recap or laion-coco gives the names of Recap-DataComp-1B or LAION-COCO"
    ending = "parquet"
    options = frozenset({"columns"})

    def __init__(self, options: ExportOptions, table: RunTable) -> None:
        super().__init__(options, table)
        if options.columns:
            only_one_caption(options, f"the columns of {options.columns}")
        self._names = COLUMN_NAMES[options.columns] if options.columns else None
        self.schema = self._names.schema if self._names else table_schema(table, self.columns, self.several)

    def reads(self, column: str) -> bool:
        return column != "error"

    def files_of(self, split: str) -> str:
        return f"{split}-*.parquet"

    def write(self, examples: Iterable[Example], file: BinaryIO) -> None:
        row = self._names.row if self._names else Example.record
        write_parquet(file, self.schema, (row(example) for example in examples))


def write_parquet(file: BinaryIO, schema: pa.Schema, rows: Iterable[dict[str, Any]]) -> None:
    """The rows as one Parquet file; holds one row group."""
    with pq.ParquetWriter(
        file, schema, compression="zstd", write_page_index=True, use_content_defined_chunking=True
    ) as writer:
        for group in _groups(rows):
            writer.write_table(pa.Table.from_pylist(group, schema))


def _groups(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str))
        size += len(image["bytes"]) if isinstance(image := row.get("image"), dict) else 0
        if len(group) == GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
