"""The captions of one file, read by its extension."""

import gzip
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.errors import UserError
from pipeline.files import open_stream
from pipeline.redact import describe, printable
from pipeline.texts.annotations import read_json
from pipeline.texts.files import CaptionFile
from pipeline.texts.found import Found
from pipeline.texts.lines import read_txt
from pipeline.texts.parquet import read_parquet
from pipeline.texts.records import read_csv, read_jsonl
from pipeline.texts.tar import read_tar

_Reader = Callable[[Any, str, str], Iterator[Found]]

# what a place in the file is, and who reads it, given the stream, the file's name, and the column
_READERS: dict[str, tuple[str, _Reader]] = {
    ".txt": ("line", lambda stream, name, column: read_txt(stream, name)),
    ".json": ("record", lambda stream, name, column: read_json(stream, name)),
    ".jsonl": ("line", read_jsonl),
    ".ndjson": ("line", read_jsonl),
    ".csv": ("line", read_csv),
    ".tsv": ("line", lambda stream, name, column: read_csv(stream, name, column, "\t")),
    ".parquet": ("row", read_parquet),
    ".tar": ("member", lambda stream, name, column: read_tar(stream, name)),
}


def read_file(file: CaptionFile, column: str) -> Iterator[Found]:
    """All captions of the file, one at a time, as they stand there. Raises UserError where it cannot be read
    to its end.
    """
    name = printable(file.name)
    reader = _READERS[file.ending][1]
    try:
        with open_stream(file.filesystem, file.path) as stored:
            if file.packed:
                with gzip.GzipFile(fileobj=stored) as stream:
                    yield from reader(stream, name, column)
            else:
                yield from reader(stored, name, column)
    except UserError:
        raise
    except Exception as error:  # what a damaged file or a far storage raises is in no common class
        raise UserError(
            f"{name} cannot be read: {describe(error).rstrip('.')}. "
            "If it was cut short or damaged, copy or export it again."
        ) from error


def place_unit(file: CaptionFile) -> str:
    """What the places of the file's captions count: `line`, `record`, `row` or `member`."""
    return _READERS[file.ending][0]
