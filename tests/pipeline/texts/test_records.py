import io

import pytest

from pipeline.errors import UserError
from pipeline.texts.found import Found
from pipeline.texts.records import read_csv, read_jsonl


def _jsonl(data: bytes, column: str = "caption") -> list[Found]:
    return list(read_jsonl(io.BytesIO(data), "x.jsonl", column))


def _csv(data: bytes, column: str = "caption", delimiter: str = ",") -> list[Found]:
    return list(read_csv(io.BytesIO(data), "x.csv", column, delimiter))


def test_json_lines() -> None:
    data = b'{"id": 1}\n{"caption": "A dog."}\n\n{"caption": ["A cat.", null, 7]}\n{"capt\n"text"\n'
    assert _jsonl(data) == [
        Found(None, 1, broken=True),
        Found("A dog.", 2),
        Found("A cat.", 4),
        Found(None, 4),
        Found(None, 4, broken=True),
        Found(None, 5, broken=True),
        Found(None, 6, broken=True),
    ]


def test_csv() -> None:
    data = b'id,caption\r\n1,"A dog, ""running"""\r\n2\r\n\r\n3,"two\r\nlines"\r\n4,\r\n5,A \xff cat'
    assert _csv(data) == [
        Found('A dog, "running"', 2),
        Found(None, 3, broken=True),
        Found("two\r\nlines", 6),
        Found("", 7),
        Found("A \udcff cat", 8),
    ]
    assert _csv(b"text\tid\nA dog, a cat\t1\n", "text", "\t") == [Found("A dog, a cat", 2)]
    assert _csv(b"") == []


@pytest.mark.parametrize("data", [b'\xef\xbb\xbf{"caption": "A dog."}', b'{"caption": "A \x01 dog."}'])
def test_marks_and_control_characters_do_not_break_a_record(data: bytes) -> None:
    assert not _jsonl(data)[0].broken


def test_a_missing_column_is_named_with_those_there() -> None:
    with pytest.raises(UserError) as error:
        _jsonl(b'{"id": 1, "text": "A dog."}\n{"style": "b"}\n')
    assert "x.jsonl has no column `caption`" in str(error.value)
    assert "--column: id, text, style." in str(error.value)
    with pytest.raises(UserError, match=r"--column: id, text. Its first line must name the columns"):
        _csv(b"id,text\n1,A dog.\n")
