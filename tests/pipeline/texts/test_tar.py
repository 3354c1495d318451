from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.texts.found import Found
from pipeline.texts.tar import read_tar
from tests.images import encoded, picture, write_tar


def _read(path: Path) -> list[Found]:
    with path.open("rb") as stream:
        return list(read_tar(stream, "x.tar"))


def test_txt_members_in_order_and_nothing_else(tmp_path: Path) -> None:
    members = [
        ("a/0.jpg", encoded(picture())),
        ("a/0.txt", b"A dog.\n"),
        ("a/0.json", b'{"caption": "not this one"}'),
        ("a/._0.txt", b"\x00\x05"),
        ("a/1.TXT", b"A cat.\r\nA \xff cup."),
        ("a/2.alt.txt", b""),
    ]
    assert _read(write_tar(tmp_path / "x.tar", members)) == [
        Found("A dog.", "a/0.txt"),
        Found("A cat.\r", "a/1.TXT"),
        Found("A \udcff cup.", "a/1.TXT"),
        Found("", "a/2.alt.txt"),
    ]


def test_a_tar_without_captions_says_what_it_holds(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "x.tar", [("0.jpg", b"x"), ("0.json", b"{}"), ("noext", b"x")])
    with pytest.raises(UserError, match=r"no .txt member.*\(endings of its members: .jpg, .json, none\)"):
        _read(tar)
    with pytest.raises(UserError, match="the tar is empty"):
        _read(write_tar(tmp_path / "empty.tar", []))
