"""A file of questions, read one question at a time.

    {"questions": [{"image_id": 1, "question": "...", "question_id": 2}]}    VQAv2, OK-VQA, CLEVR
    {"data": [...]}                                                          TextVQA, DocVQA
    {"<question id>": {"imageId": "1", "question": "..."}}                   GQA
    [{"image": "1.jpg", "question": "..."}]                                  VizWiz, A-OKVQA, BLIP
    {"question_id": 2, "image": "1.jpg", "text": "..."}                      one a line: LLaVA, POPE
    a table with a header                                                    CSV, TSV, Parquet

What a file is shows in its content, not in its name; it may be packed as .gz, .bz2, .xz, .zst or .lz4.
"""

import io
import tarfile
from collections.abc import Iterator
from itertools import chain
from typing import Any, TextIO

import pyarrow.parquet as pq

from pipeline.formats.json_stream import JsonStream, json_object
from pipeline.formats.unpack import unpacked
from pipeline.questions.forms import Record, json_lines, json_records, parquet_rows, table_rows
from pipeline.questions.records import (
    UNDERSTOOD,
    AskedQuestion,
    BrokenRecordError,
    fields_among,
    questions_in,
)
from pipeline.storage.errors import UserError
from pipeline.storage.files import locate, open_blocks, open_stream, reading_file
from pipeline.storage.listing import Entry
from pipeline.storage.look_up import look_up
from pipeline.storage.redact import describe, shown

_LINE_CHARACTERS = 1 << 20  # a file may be one line
_UTF16 = ("\udcff\udcfe", "\udcfe\udcff")  # byte order marks, as surrogateescape leaves them


def read_questions(url: str) -> Iterator[AskedQuestion]:
    """The questions of a file at a path or any fsspec URL, in order.

    Raises UserError where there is no such file, it cannot be read to its end, it is of another kind, or one
    of its records has no image or no question: then the message says which.
    """
    name = shown(url)
    with reading_file(f"Questions {name}"):
        try:
            for record in _records(url, name):
                try:
                    questions = questions_in(record.fields, record.own_id)
                except BrokenRecordError as error:
                    raise UserError(
                        f"Questions {name}, {record.unit} {record.place:,}: {error}. Fix it or remove it: a "
                        f"record needs {UNDERSTOOD}."
                    ) from None
                yield from questions
        except FileNotFoundError:
            raise UserError(f"Questions {name} do not exist. Check the path.") from None
        except tarfile.ReadError as error:  # of what unpacks it
            raise UserError(
                f"Questions {name} cannot be read: {str(error).partition(':')[0]}. Give JSON, JSON lines, "
                "CSV, TSV or Parquet, also packed as .gz, .bz2, .xz or .zst; of a zip archive the file in "
                "it, as zip://NAME::ARCHIVE.zip."
            ) from error


def state_of(url: str) -> Entry:
    """What the storage says of the file, by which a change shows. Raises UserError where it does not say."""
    try:
        return look_up(url)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"Questions {shown(url)} cannot be read: {describe(error).rstrip('.')}.") from error


def _records(url: str, name: str) -> Iterator[Record]:
    location = locate(url)
    with open_stream(*location) as stored:
        if not stored.peek(4).startswith(b"PAR1"):
            yield from _text_records(_as_text(stored), name)
            return
    with open_blocks(*location) as blocks:
        yield from parquet_rows(pq.ParquetFile(blocks), name)


def _text_records(text: TextIO, name: str) -> Iterator[Record]:
    number, first = _filled_line(text, 0)
    if first.startswith(_UTF16) or "\0" in first[:4]:
        raise UserError(f"Questions {name} are UTF-16 text. Save them as UTF-8.")
    if not first.lstrip().startswith(("[", "{")):
        yield from table_rows(chain((first,), text), number, name)
        return
    record = json_object(first)
    second_number, second = (number, "") if record is None else _filled_line(text, number)
    if record is not None and (second or fields_among(record).image):
        yield Record("line", number, record)
        yield from json_lines(chain((second,), text), second_number)
    else:
        yield from json_records(JsonStream(text, first + second), name)


def _filled_line(text: TextIO, number: int) -> tuple[int, str]:
    """The next line that is not blank, or its beginning, and its number after `number`; "" at the end."""
    while line := text.readline(_LINE_CHARACTERS):
        number += 1
        if line.strip():
            break
    return number, line


def _as_text(stored: io.BufferedReader) -> TextIO:
    """Unpacked; UTF-8 with or without a byte order mark, other bytes as lone surrogates."""
    stream = io.BufferedReader(_Bytes(unpacked(stored)), 1 << 20)
    return io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="")


class _Bytes(io.RawIOBase):
    """A stream that has `read` alone, as a file."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
