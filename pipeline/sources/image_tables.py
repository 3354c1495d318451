"""`metadata.jsonl`, `.csv` or `.parquet` in a folder of images: a row of metadata for each, by `file_name`
or the one column whose name ends in `_file_name`.

Hugging Face's imagefolder keeps metadata so. A table may name images of subfolders. It is read once for each
shard, and of its rows only those of the shard's own images are held.
"""

import csv
import io
import json
import posixpath
from collections.abc import Collection, Iterator
from itertools import zip_longest

import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from pipeline.formats.quoted_rows import quoted_rows
from pipeline.sources.metadata import metadata_json, told_values
from pipeline.sources.spans import Parts, Span
from pipeline.sources.text_members import as_json
from pipeline.sources.tree import Directory
from pipeline.storage.files import open_blocks, open_stream
from pipeline.storage.listing import Entry
from pipeline.storage.redact import describe

_Rows = Iterator[tuple[str, str]]


class ImageTables:
    """The tables of the folders that a shard's images lie in, read when the first image asks."""

    def __init__(self, filesystem: AbstractFileSystem, span: Span) -> None:
        self._filesystem = filesystem
        self._span = span
        self._rows: dict[str, tuple[dict[Parts, str], str | None]] = {}

    def row_of(self, directory: Directory, name: str) -> tuple[str | None, dict[str, str]]:
        """The image's row as JSON from the nearest table that has one, and what could not be read."""
        image = (*directory.parts, name)
        notes: dict[str, str] = {}
        above: Directory | None = directory
        while above is not None:
            for table in above.tables:
                rows, problem = self._read(above, table)
                if image in rows:
                    return rows[image], {}
                notes |= {table.name: problem} if problem else {}
            above = above.parent
        return None, notes

    def _read(self, directory: Directory, table: Entry) -> tuple[dict[Parts, str], str | None]:
        if table.path not in self._rows:
            rows: dict[Parts, str] = {}
            problem = None
            try:
                for file_name, row in _rows_of(self._filesystem, table):
                    below = posixpath.normpath(file_name.replace("\\", "/")).split("/")
                    image = (*directory.parts, *below)
                    if image in self._span:
                        rows.setdefault(image, row)
            except (OSError, ValueError, LookupError, csv.Error) as error:
                problem = f"it cannot be read on: {describe(error)}"
            self._rows[table.path] = rows, problem
        return self._rows[table.path]


def _rows_of(filesystem: AbstractFileSystem, table: Entry) -> _Rows:
    """Each row's `file_name` and its JSON. Raises OSError and ValueError."""
    read = {"jsonl": _jsonl, "csv": _csv, "parquet": _parquet}[table.name.rpartition(".")[2]]
    yield from read(filesystem, table.path)


def _jsonl(filesystem: AbstractFileSystem, path: str) -> _Rows:
    column, keys = None, list[str]()
    with open_stream(filesystem, path) as stream:
        for number, line in enumerate(io.TextIOWrapper(stream, "utf-8-sig", "replace"), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"line {number} is no JSON ({describe(error)})") from None
            if isinstance(row, dict):
                keys = keys or list(row)
                column = column or _name_column(row)
                if column and isinstance(row.get(column), str):
                    yield row[column], line.strip()
    if not column:
        raise _without_names(keys)


def _csv(filesystem: AbstractFileSystem, path: str) -> _Rows:
    with open_stream(filesystem, path) as stream:
        text = io.TextIOWrapper(stream, "utf-8-sig", "replace", newline="")
        header = text.readline()
        delimiter = max(",;\t", key=header.count)
        names = next(csv.reader([header], delimiter=delimiter), [])
        if not (column := _name_column(names)):
            raise _without_names(names)
        for _, cells in quoted_rows(text, delimiter, len(names), names.index(column)):
            row = dict(zip_longest(names, cells[: len(names)]))
            if file_name := row[column]:
                yield file_name, as_json(row)


def _parquet(filesystem: AbstractFileSystem, path: str) -> _Rows:
    with open_blocks(filesystem, path) as source:
        for batch in pq.ParquetFile(source, pre_buffer=False).iter_batches(1024):
            columns = {name: told_values(batch[name]) for name in batch.schema.names}
            if not (column := _name_column(columns)):
                raise _without_names(columns)
            for number, file_name in enumerate(columns[column][0]):
                fields = {name: values[number] for name, (values, _) in columns.items()}
                notes = {name: why[number] for name, (_, why) in columns.items() if number in why}
                yield str(file_name), metadata_json(fields, notes) or "{}"


def _name_column(names: Collection[str]) -> str | None:
    """Which one names the images."""
    ending = [name for name in names if name.endswith("_file_name")]
    return "file_name" if "file_name" in names else ending[0] if len(ending) == 1 else None


def _without_names(names: Collection[str]) -> ValueError:
    return ValueError(f"it has no column file_name, but {', '.join(names) or 'none'}")
