"""Every form of a file of questions is read by its content, and a broken one is refused by its place."""

import bz2
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pipeline.questions.read import read_questions, state_of
from pipeline.questions.records import AskedQuestion
from pipeline.storage.errors import UserError
from pipeline.storage.files import locate

TWO = [AskedQuestion("20", "1", "What is it?"), AskedQuestion("21", "2", "Where?")]
RECORDS = [
    {"image_id": 1, "question": "What is it?", "question_id": 20},
    {"image_id": 2, "question": " Where? ", "question_id": 21},
]
LINES = "".join(json.dumps(record) + "\n" for record in RECORDS)


def read(path: Path, data: str | bytes) -> list[AskedQuestion]:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(read_questions(str(path)))


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    "value",
    [
        {"info": {"year": 2017}, "task_type": "Open-Ended", "license": {"url": "x"}, "questions": RECORDS},
        {"dataset_type": "val", "data": RECORDS},
        {"20": {"imageId": "1", "question": "What is it?"}, "21": {"imageId": "2", "question": "Where?"}},
        RECORDS,
    ],
    ids=["VQAv2", "TextVQA", "GQA", "list"],
)
def test_json(tmp_path: Path, value: Any, indent: int | None) -> None:
    assert read(tmp_path / "q", json.dumps(value, indent=indent)) == TWO


@pytest.mark.parametrize(
    "data",
    [
        LINES,
        "\n\n" + LINES.replace("\n", "\r\n\r\n"),
        "\ufeff" + LINES,
        "image_id,question,question_id\n1,What is it?,20\n\n2,Where?,21\n",
        "\ufeffImage ID;Question;Question ID\r\n1;What is it?;20\r\n2;Where?;21",
        'image\tanswer\tquestion\tqid\n1\t"a\tb"\tWhat is it?\t20\n2\tc\tWhere?\t21\n',
    ],
    ids=["lines", "blank lines", "byte order mark", "csv", "semicolons", "tsv"],
)
def test_lines_and_tables(tmp_path: Path, data: str) -> None:
    assert read(tmp_path / "q", data) == TWO


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, zstandard.compress])
@pytest.mark.parametrize("data", [LINES, json.dumps({"questions": RECORDS})])
def test_packed(tmp_path: Path, data: str, pack: Any) -> None:
    assert read(tmp_path / "q", pack(data.encode())) == TWO


def test_one_line_alone(tmp_path: Path) -> None:
    line = '{"question_id": 7, "image": "a.jpg", "text": "Is it red?\\nAnswer yes or no.", "category": "x"}'
    assert read(tmp_path / "q", line) == [AskedQuestion("7", "a.jpg", "Is it red?\nAnswer yes or no.")]


def test_a_file_behind_a_url() -> None:
    filesystem, path = locate("memory://questions/q.json")
    filesystem.pipe_file(path, json.dumps(RECORDS).encode())
    assert list(read_questions("memory://questions/q.json")) == TWO


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ('[{"image": 1, "question": "?"}, {"question": "?"}]', "record 2: it names no image"),
        ('{"questions": [{"image": 1}]}', "record 1: it has no question"),
        (LINES + '{"image": 1, "question": " "}', "line 3: it has no question"),
        (LINES + "{", "line 3 is no JSON"),
        (LINES[:-20], "line 2 is no JSON"),
        (json.dumps({"questions": RECORDS})[:-30], "cannot be read"),
        ("[1]", "record 1: it is no object"),
        ("[" * 200_000, "cannot be read"),
        ('[{"image": 1, "question": "?"}] []', "more than one JSON value"),
        (
            '{"annotations": [{"image_id": 1, "answer": "a"}]}',
            "no list of questions, but only the keys annot",
        ),
        (
            '{"20": {"imageId": "1", "question": "?"}, "21": {"imageId": "2"}}',
            "no question under the keys 21",
        ),
        ("image,question\n1,Red, or blue?\n", "line 2: 3 cells below the names of 2"),
        ('image,question\n1,"A" or B?\n', "line 2: ',' expected after '\"'"),
        ('image,question\n1,?\n2,"open\n', "unexpected end of data"),
        ("image,question\n1,?\n,?\n", "line 3: it names no image"),
        ("name,answer\n1,2\n", "no column for the image and the question (name, answer)"),
        ("", "it is empty"),
        ('[{"image": 1, "question": "?"}]'.encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04" + bytes(100), "it is a zip archive, which is not read. Give JSON"),
        (gzip.compress(LINES.encode(), mtime=0)[:-12], "damaged or cut short"),
        (b"PAR1" + bytes(100), "cannot be read"),
    ],
)
def test_what_is_refused(tmp_path: Path, data: str | bytes, says: str) -> None:
    with pytest.raises(UserError) as refused:
        read(tmp_path / "the_file", data)
    assert says in str(refused.value)
    assert "the_file" in str(refused.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.json do not exist"):
        list(read_questions(str(tmp_path / "none.json")))


@pytest.mark.parametrize("ask", [state_of, lambda url: list(read_questions(url))])
def test_a_storage_that_is_not_known(ask: Any) -> None:
    with pytest.raises(UserError, match=r"nowhere:// is no storage that is known"):
        ask("nowhere://bucket/q.json")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    data = b'{"image": "caf\xe9.jpg", "question": "A \\ud83d\\u0000b?"}\n' + LINES.encode()
    (question, *others) = read(tmp_path / "q", data)
    assert question == AskedQuestion(None, "caf\\udce9.jpg", "A \\ud83d\0b?")
    assert others == TWO
