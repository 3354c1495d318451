"""Files of records with a caption column: JSON lines, and comma- or tab-separated values with a header."""

import csv
import json
from collections.abc import Iterator
from typing import Any

from pipeline.errors import UserError
from pipeline.redact import printable
from pipeline.texts.found import Found, captions_in
from pipeline.texts.lines import text_lines

_COLUMNS_SHOWN = 20
_DECODER = json.JSONDecoder(strict=False)  # control characters are for the cleaning to find


def read_jsonl(stream: Any, name: str, column: str) -> Iterator[Found]:
    """The column's texts, or lists of texts; a line that is no object with the column is a broken record.

    Raises UserError where no record has the column.
    """
    columns: dict[str, None] = {}
    objects = 0
    for number, line in enumerate(text_lines(stream, name), 1):
        if not line.strip():
            continue
        try:
            record = _DECODER.decode(line)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            objects += 1
            if len(columns) < _COLUMNS_SHOWN or column in record:
                columns.update(dict.fromkeys(record))
        if isinstance(record, dict) and column in record:
            yield from captions_in(record[column], number)
        else:
            yield Found(None, number, broken=True)
    if objects and column not in columns:
        raise missing_column(name, column, list(columns))


def read_csv(stream: Any, name: str, column: str, delimiter: str = ",") -> Iterator[Found]:
    """The column's cells; a row that ends before the column is a broken record. The first line is the header.

    Raises UserError where the header lacks the column, csv.Error for a quote that is never closed.
    """
    rows = csv.reader(text_lines(stream, name, newline=""), delimiter=delimiter)
    header = next(rows, None)
    if header is None:
        return
    if column not in header:
        raise missing_column(name, column, header, " Its first line must name the columns.")
    index = header.index(column)
    for row in rows:
        if row:
            cell = row[index] if index < len(row) else None
            yield Found(cell, rows.line_num, broken=cell is None)


def missing_column(name: str, column: str, columns: list[str], hint: str = "") -> UserError:
    """The error for a file whose columns do not include the one with the captions."""
    shown = ", ".join(printable(name)[:40] for name in columns[:_COLUMNS_SHOWN])
    more = ", ..." if len(columns) > _COLUMNS_SHOWN else ""
    return UserError(
        f"{name} has no column `{column}`. Name the one with the captions with --column: {shown}{more}.{hint}"
    )
