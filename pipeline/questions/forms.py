"""The records of a file of questions in each of its forms, one at a time, with where they stand."""

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.formats.json_stream import JsonStream
from pipeline.questions.records import UNDERSTOOD, fields_among
from pipeline.storage.errors import UserError
from pipeline.storage.redact import printable

_LISTS = ("questions", "data")
_KEYS_SHOWN = 20
_BATCH_ROWS = 4096


class Record(NamedTuple):
    """`unit` and `place` as a person finds it: `line 3`, `record 3`, `row 3`. `own_id` is the key under which
    it stands.
    """

    unit: str
    place: int
    fields: Any
    own_id: str | None = None


def json_lines(lines: Iterable[str], first: int) -> Iterator[Record]:
    """A record a line; the first of them is line `first`. Raises ValueError for a line that is no JSON."""
    decode = json.JSONDecoder(strict=False).decode
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        try:
            yield Record("line", number, decode(line))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {number:,} is no JSON ({error})") from None


def json_records(stream: JsonStream, name: str) -> Iterator[Record]:
    """Elements of a list, of a list under a known key, or objects that their keys name. An object around them
    may hold more, such as a licence. Raises UserError for JSON of another shape.
    """
    is_list = stream.peek() == "["
    count = named = 0
    others: dict[str, None] = {}
    for key, element in stream.elements():
        if is_list or key in _LISTS:
            count += 1
            yield Record("record", count, element)
        elif isinstance(element, dict) and fields_among(element).question:
            named += 1
            yield Record("record", count + named, element, printable(str(key)))
        elif len(others) < _KEYS_SHOWN:
            others.setdefault(printable(str(key))[:100])
    if stream.peek():
        raise UserError(
            f"Questions {name} hold more than one JSON value. Write a list, or one record a line."
        )
    if others and (named or not count):
        what = "no question under" if named else "no list of questions, but only"
        raise UserError(
            f"Questions {name} have {what} the keys {', '.join(others)}. Understood are a list of records, "
            f'{{"questions": [...]}} and {{"<question id>": {{...}}}}; a record needs {UNDERSTOOD}.'
        )


def table_rows(lines: Iterator[str], first: int, name: str) -> Iterator[Record]:
    """Rows below a header, which is line `first`. Raises UserError where cells and header do not fit."""
    head = next(lines)
    delimiter = next((mark for mark in "\t,;|" if mark in head), ",")
    reader = csv.reader(chain((head,), lines), delimiter=delimiter, strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        _check_columns(header, f"{name} (line {first} names its columns)")
        for row in reader:
            if row and len(row) != len(header):
                raise csv.Error(f"{len(row)} cells below the names of {len(header)}")
            if row:
                yield Record("line", first - 1 + reader.line_num, dict(zip(header, row, strict=True)))
    except csv.Error as error:
        raise UserError(
            f"Questions {name}, line {first - 1 + reader.line_num:,}: {error}. Put a cell that holds a "
            "comma, tab, quote or line end in quotes, with a quote in it doubled; or write JSON lines."
        ) from None


def parquet_rows(file: pq.ParquetFile, name: str) -> Iterator[Record]:
    """Rows of a Parquet file, of which the columns that a question needs are read. Raises UserError where
    these are not there.
    """
    paths = {field.name: path for field in file.schema_arrow if (path := _text_column(field)) is not None}
    _check_columns(list(paths), name)
    columns = [paths[column] for columns in fields_among(paths) for column in columns]
    batches = file.iter_batches(_BATCH_ROWS, columns=columns)
    rows = chain.from_iterable(batch.to_pylist() for batch in batches)
    yield from (Record("row", number, row) for number, row in enumerate(rows, 1))


def _text_column(field: pa.Field) -> str | None:
    """What to read of a column: of an image as Hugging Face datasets hold it the path, of bytes nothing."""
    if pa.types.is_struct(field.type):
        return f"{field.name}.path" if field.type.get_field_index("path") >= 0 else None
    is_bytes = pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)
    return None if is_bytes else field.name


def _check_columns(names: list[str], table: str) -> None:
    fields = fields_among(names)
    missing = [what for what, among in (("image", fields.image), ("question", fields.question)) if not among]
    if missing:
        shown = ", ".join(printable(name)[:40] for name in names[:_KEYS_SHOWN]) or "it is empty"
        raise UserError(
            f"Questions {table}: no column for the {' and the '.join(missing)} ({shown}). A table needs "
            f"{UNDERSTOOD}."
        )
