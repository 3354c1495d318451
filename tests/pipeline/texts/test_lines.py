import io

import pytest

from pipeline.storage.errors import UserError
from pipeline.texts.found import Found
from pipeline.texts.table import read_lines


def _read(data: bytes) -> list[Found]:
    found = list(read_lines(io.BytesIO(data), "x.txt"))
    assert all(each.image == "x.txt" for each in found)  # a file beside an image has its captions
    return [each._replace(image=None) for each in found]


def test_a_caption_a_line() -> None:
    assert _read(b"A dog.\r\n\nA cat.") == [Found("A dog.\r\n", 1), Found("\n", 2), Found("A cat.", 3)]
    assert _read(b"A dog.\rA cat.\r") == [Found("A dog.\r", 1), Found("A cat.\r", 2)]
    assert _read(b"") == []
    assert _read(b"\n\0\n") == [Found("\n", 1), Found("\0\n", 2)]
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
    with pytest.raises(UserError, match=r"x.txt is UTF-16 text"):
        _read("A dog, without a mark.\n".encode(f"{encoding.removesuffix('-be')}-be"))
