"""CSV, for spreadsheets and everything else."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa

from pipeline.export.format import Example, Format, Notes
from pipeline.export.options import ExportOptions
from pipeline.export.run_table import RunTable

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class CsvRows(Format):
    """A line for each caption of an image. Ids, captions and metadata come from the archive, and a
    spreadsheet takes a cell that begins with `=`, `+`, `-`, `@` or a control character for a formula,
    which may send data away: such a text gets a `'` in front. How many did is told; JSON lines and
    Parquet have them as they are. Of a caption beside the best, the score is its own, and flags are unknown.
    """

    name = "csv"
    about = "a line per caption; text that a spreadsheet would take for a formula gets a ' in front"
    ending = "csv"

    def __init__(self, options: ExportOptions, table: RunTable) -> None:
        super().__init__(options, table)
        fields = [table.files.schema.field(name) for name in self.columns]
        self.schema = pa.schema(
            [field.with_type(pa.string()) if pa.types.is_nested(field.type) else field for field in fields]
        )

    def files_of(self, split: str) -> str:
        return f"{split}-*.csv"

    def write(self, examples: Iterable[Example], file: BinaryIO) -> Notes:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        lines = csv.DictWriter(text, self.columns, lineterminator="\r\n")  # so a cell with either is quoted
        lines.writeheader()
        quoted = 0
        for example in examples:
            for fields in _lines(example):
                cells = {name: _cell(value) for name, value in fields.items()}
                formulas = {
                    n: f"'{v}" for n, v in cells.items() if isinstance(v, str) and v.startswith(_FORMULA)
                }
                lines.writerow({**cells, **formulas})
                quoted += len(formulas)
        text.detach()
        return {"cells that begin as a formula does, now with a ' in front": quoted} if quoted else {}


def _lines(example: Example) -> Iterator[dict[str, Any]]:
    """The fields of each caption, the best first."""
    yield example.fields
    for caption, score in zip(example.captions[1:], example.scores[1:], strict=True):
        own = {"caption": caption, "clip_score": score, "flags": None}
        yield {name: own.get(name, value) for name, value in example.fields.items()}


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | Mapping) else value
