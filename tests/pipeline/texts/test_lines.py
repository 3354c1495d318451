import io

import pytest

from pipeline.errors import UserError
from pipeline.texts.found import Found
from pipeline.texts.lines import read_txt


def _read(data: bytes) -> list[Found]:
    return list(read_txt(io.BytesIO(data), "x.txt"))


def test_a_caption_a_line() -> None:
    assert _read(b"A dog.\r\n\nA cat.") == [Found("A dog.\r\n", 1), Found("\n", 2), Found("A cat.", 3)]
    assert _read(b"") == []
    assert _read(b"\xef\xbb\xbfA dog.") == [Found("A dog.", 1)]


def test_bytes_that_are_no_text_spoil_only_their_line() -> None:
    assert [found.text for found in _read(b"A dog.\nA \xff\x00 cat.\nA cup.\n")] == [
        "A dog.\n",
        "A \udcff\x00 cat.\n",
        "A cup.\n",
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf16_is_named(encoding: str) -> None:
    with pytest.raises(UserError, match=r"x.txt is UTF-16 text"):
        _read("\ufeffA dog.\n".encode(encoding))
