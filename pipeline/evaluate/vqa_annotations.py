"""Human answers to visual questions: files of them, and those in a sample's own metadata.

Read are the official annotations of VQA v1 and v2 and OK-VQA, and the forms of A-OKVQA, VizWiz, TextVQA and
GQA; and any table or list with a question's id and its answers.
"""

import csv
import gzip
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from pipeline.formats.json_stream import JsonStream, json_object
from pipeline.formats.printed_lists import list_of
from pipeline.join.image_names import said_name
from pipeline.questions.records import fields_among
from pipeline.storage.errors import UserError
from pipeline.storage.files import locate, open_stream, reading_file
from pipeline.storage.redact import printable, shown
from pipeline.storage.urls import bare_name
from pipeline.texts.lines import as_text, text_lines

SHAPES = (
    '{"annotations": [{"question_id": ..., "answers": [{"answer": ...}, ...]}]} (VQA v2), {"data": [...]}, a '
    'list of such objects, one of them a line (.jsonl), {"question id": {"answer": ...}} (GQA), or a table '
    "(.csv, .tsv, .parquet) with the columns question_id and answers or answer"
)
_ANSWERS = ("answers", "direct_answers", "answer")
_TYPES = ("question_type", "types", "answer_type")
_LISTS = (None, "annotations", "data")
"""Keys of lists that hold nothing but questions with answers; None is a bare list."""

_LINE_CHARACTERS = 1 << 20
_BATCH_ROWS = 4096
"""Between the items of a list as NumPy prints it, which Python would read as one text."""

_Entry = tuple[str | None, dict[str, Any]]


class VqaAnswer(NamedTuple):
    """What people answered to one question, and its types where they are told."""

    question_id: str
    answers: tuple[str, ...]
    question_type: str | None = None
    answer_type: str | None = None


def read_vqa_annotations(url: str) -> Iterator[VqaAnswer]:
    """The questions of a file (.json, .jsonl, .ndjson, .csv, .tsv, all also .gz, or .parquet; a path or any
    fsspec URL), read one at a time; equal answers are one object in memory. The id of a question without one
    is its number in the file, from 1, as in `pipeline.questions`: VizWiz has none.

    Raises UserError for a file of another shape or that cannot be read to its end, a question without
    answers, and an id that is there twice.
    """
    name = shown(url)
    bare = bare_name(url)
    read = _READERS.get("." + bare.removesuffix(".gz").rpartition(".")[2])
    if read is None:
        hint = " Unpack it, and give the .json file in it." if bare.endswith(".zip") else ""
        raise UserError(f"{name} is no file of answers by its name. Understood are {SHAPES}.{hint}")
    known: set[str] = set()
    with reading_file(name), open_stream(*locate(url)) as stored:
        stream = gzip.GzipFile(fileobj=stored) if bare.endswith(".gz") else stored
        for number, (key, record) in enumerate(read(stream, name), 1):
            answer = _answer(record, key or str(number))
            if not answer.answers:
                raise _unanswered(record, f"{name}: question {number:,}")
            if answer.question_id in known:
                raise UserError(
                    f"{name}: question {printable(answer.question_id)} is there twice, the second "
                    f"time as number {number:,}. Write all of its answers as one list."
                )
            known.add(answer.question_id)
            yield answer
    if not known:
        raise UserError(
            f"{name} has no answers where they are looked for. Understood are {SHAPES}. A file of questions "
            "alone does not do: VQA's answers are in the one that ends in annotations.json."
        )


def answers_in(metadata: str | None) -> list[VqaAnswer]:
    """The answered questions in a sample's own metadata: `{"questions": [{"question_id", "question",
    "answers" or "answer", "question_type", "answer_type"}]}`. The id of one without is its number in the
    list, from 1; one without answers is left out, as is metadata of another shape.
    """
    try:
        fields = json.loads(metadata) if metadata else None
    except (ValueError, RecursionError):
        return []
    questions = fields.get("questions") if isinstance(fields, dict) else None
    if not isinstance(questions, list):
        return []
    found = (_answer(asked, str(n)) for n, asked in enumerate(questions, 1) if isinstance(asked, dict))
    return [answer for answer in found if answer.answers]


def _unanswered(record: dict[str, Any], place: str) -> UserError:
    fields = ", ".join(printable(str(field))[:40] for field in list(record)[:20])
    return UserError(
        f"{place} has no answers that are texts: looked for in {', '.join(_ANSWERS)}, and there "
        f"are {fields or 'no fields'}. Give a file with the answers, as VQA's that ends in annotations.json."
    )


def _answer(record: dict[str, Any], own_id: str) -> VqaAnswer:
    """Without answers where there is none, or one that is no text."""
    ids = (said_name("image_id", record[field]) for field in fields_among(record).question_id)
    question_id = next(filter(None, ids), own_id)
    given = next((value for field in _ANSWERS if (value := record.get(field)) not in (None, "", [])), None)
    answers = [_text(item) for item in _items(given)]
    kind = record.get("question_type") or record.get("types")
    question_type = _text(kind.get("structural") if isinstance(kind, dict) else kind)
    answer_type = _text(record.get("answer_type"))
    return VqaAnswer(
        question_id,
        tuple(sys.intern(text) for text in answers if text is not None) if None not in answers else (),
        sys.intern(question_type) if question_type else None,
        sys.intern(answer_type) if answer_type else None,
    )


def _items(given: Any) -> list[Any]:
    """One answer or several, as texts or objects; a table of objects may be turned into lists by column."""
    if isinstance(given, dict):
        given = given.get("answer")
    if not isinstance(given, list):
        return [] if given is None else [given]
    return [item.get("answer") if isinstance(item, dict) else item for item in given]


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(int(value) if value == value // 1 else value)


def _json(stream: Any, name: str) -> Iterator[_Entry]:
    text = as_text(stream)
    first = text.readline(_LINE_CHARACTERS)
    second = text.readline(_LINE_CHARACTERS) if first.rstrip().endswith("}") else ""
    if second.startswith("{") and json_object(first) is not None:
        yield from _records(chain((first, second), text), name)
        return
    json_stream = JsonStream(text, first + second)
    for key, element in json_stream.elements():
        if isinstance(element, dict):
            answered = any(field in element for field in _ANSWERS)
            if key in _LISTS or answered:
                yield (None if key in (*_LISTS, "questions") else key), element
        elif key in _LISTS:
            raise UserError(
                f"{name}: {printable(str(element))[:40]} is no question. Understood are {SHAPES}."
            )
    if json_stream.peek():
        raise UserError(f"{name} holds more than one JSON value. Write it as a list, or one value a line.")


def _jsonl(stream: Any, name: str) -> Iterator[_Entry]:
    return _records(text_lines(stream, name), name)


def _records(lines: Iterable[str], name: str) -> Iterator[_Entry]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if (record := json_object(line)) is None:
            raise UserError(f"{name}: line {number:,} is no JSON object. Write one question a line.")
        yield None, record


def _table(delimiter: str) -> Callable[[Any, str], Iterator[_Entry]]:
    def read(stream: Any, name: str) -> Iterator[_Entry]:
        for row in csv.DictReader(text_lines(stream, name), delimiter=delimiter):
            record = {key.strip(): cell for key, cell in row.items() if key is not None}
            for field in _ANSWERS:
                record[field] = _listed(record.get(field))
            yield None, record

    return read


def _listed(cell: str | None) -> Any:
    """A cell's list, else its text; of what only begins as a list, nothing."""
    if cell is None or not cell.strip().startswith("["):
        return cell
    return list_of(cell)


def _parquet(stream: Any, name: str) -> Iterator[_Entry]:
    file = pq.ParquetFile(stream)
    names = file.schema_arrow.names
    wanted = {*fields_among(names).question_id, *_ANSWERS, *_TYPES}
    for batch in file.iter_batches(_BATCH_ROWS, columns=[column for column in names if column in wanted]):
        yield from ((None, record) for record in batch.to_pylist())


_READERS: dict[str, Callable[[Any, str], Iterator[_Entry]]] = {
    ".json": _json,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".csv": _table(","),
    ".tsv": _table("\t"),
    ".parquet": _parquet,
}
