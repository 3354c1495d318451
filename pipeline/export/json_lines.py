"""JSON lines: an object for each image."""

from collections.abc import Iterable
from typing import BinaryIO

from pipeline.export.format import Example, Format, json_line, table_schema
from pipeline.export.options import ExportOptions
from pipeline.export.run_table import RunTable


class JsonLines(Format):
    """The table's columns as they are; lists stay lists, and `metadata` the text that it is."""

    name = "jsonl"
    about = "an object per line and image"
    ending = "jsonl"

    def __init__(self, options: ExportOptions, table: RunTable) -> None:
        super().__init__(options, table)
        self.schema = table_schema(table, self.columns, self.several)  # a file may have nulls alone

    def files_of(self, split: str) -> str:
        return f"{split}-*.jsonl"

    def write(self, examples: Iterable[Example], file: BinaryIO) -> None:
        for example in examples:
            file.write(json_line(example.record()))
