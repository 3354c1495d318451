"""The captions of one file, read by its extension."""

import gzip
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.storage.files import open_stream, reading_file
from pipeline.storage.redact import printable
from pipeline.texts.annotations import read_json
from pipeline.texts.files import CaptionFile
from pipeline.texts.found import Found, Note
from pipeline.texts.parquet import read_parquet
from pipeline.texts.records import read_jsonl
from pipeline.texts.table import read_lines, read_text
from pipeline.texts.tar import read_tar

_Reader = Callable[[Any, str, str | None, Note], Iterator[Found]]


def _text(ending: str) -> _Reader:
    return lambda stream, name, column, note: read_text(stream, name, ending, column, note)


# what a place in the file is, and who reads it, given the stream, the file's name, the column, and whom to
# tell what it was recognised as
_READERS: dict[str, tuple[str, _Reader]] = {
    **{ending: ("line", _text(ending)) for ending in (".txt", ".token", ".csv", ".tsv")},
    ".caption": ("line", lambda stream, name, column, note: read_lines(stream, name)),
    ".json": ("record", read_json),
    ".jsonl": ("line", read_jsonl),
    ".ndjson": ("line", read_jsonl),
    ".parquet": ("row", read_parquet),
    ".tar": ("member", read_tar),
}


def read_file(
    file: CaptionFile, column: str | None, note: Note, opened: Callable[[], Any] | None = None
) -> Iterator[Found]:
    """All captions of the file, one at a time, as they stand there; from what `opened` returns, where it was
    read before.

    Raises NoCaptionsError where it holds something else, and UserError where it cannot be read to its end.
    """
    name = printable(file.name)
    reader = _READERS[".caption" if file.form == "texts beside images" else file.ending][1]
    with reading_file(name), opened() if opened else open_stream(file.filesystem, file.path) as stored:
        if file.packed:
            with gzip.GzipFile(fileobj=stored) as stream:
                yield from reader(stream, name, column, note)
        else:
            yield from reader(stored, name, column, note)


def place_unit(file: CaptionFile) -> str:
    """What the places of the file's captions count: `line`, `record`, `row` or `member`."""
    return _READERS[file.ending][0]
