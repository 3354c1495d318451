"""Also for columns.py."""

import io

import pytest

from pipeline.storage.errors import UserError
from pipeline.texts.found import Found
from pipeline.texts.records import read_jsonl


def _jsonl(data: bytes, column: str | None = "caption") -> list[Found]:
    return list(read_jsonl(io.BytesIO(data), "x.jsonl", column, [].append))


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


@pytest.mark.parametrize("data", [b'\xef\xbb\xbf{"caption": "A dog."}', b'{"caption": "A \x01 dog."}'])
def test_marks_and_control_characters_do_not_break_a_record(data: bytes) -> None:
    assert not _jsonl(data)[0].broken


def test_a_missing_column_is_named_with_those_there() -> None:
    with pytest.raises(UserError) as error:
        _jsonl(b'{"id": 1, "text": "A dog."}\n{"style": "b"}\n')
    assert "x.jsonl has no column `caption`" in str(error.value)
    assert "--column: id, text, style." in str(error.value)
    with pytest.raises(UserError, match=r"x.jsonl has no JSON object"):
        _jsonl(b"A dog.\n[1]\n", None)


def test_known_names_splits_and_conversations() -> None:
    data = (
        b'{"file_name": "a.jpg", "text": "A dog.", "split": "train"}\n'
        b'{"TEXT": "no", "top_caption": "A cat."}\n'
        b'{"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "A cup."}]}\n'
        b'{"sentences": [{"raw": "A hat.", "tokens": []}], "split": 3}\n'
    )
    assert _jsonl(data, None) == [
        Found("A dog.", 1, "train", image="a.jpg"),
        Found("A cat.", 2),
        Found("A cup.", 3),
        Found("A hat.", 4),
    ]
