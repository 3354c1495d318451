from pathlib import Path

import pytest

from pipeline.texts.found import Found, NoCaptionsError
from pipeline.texts.tar import read_tar
from tests.images import encoded, picture, write_tar


def _read(path: Path, notes: list[str] | None = None) -> list[Found]:
    with path.open("rb") as stream:
        return list(read_tar(stream, "x.tar", None, (notes if notes is not None else []).append))


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


def test_a_json_speaks_for_a_sample_without_a_text(tmp_path: Path) -> None:
    members = [
        ("0.jpg", b"x"),
        ("0.json", b'{"captions": ["A dog.", "A cat."], "facts": {}}'),
        ("1.json", b'{"caption": "not this one"}'),
        ("1.txt", b"A cup."),
        ("2.caption", b"A hat."),
        ("2.json", b'{"caption": "nor this one"}'),
        ("3.json", b'{"width": 3}'),
        ("4.json", b"[" * 100_000),
        ("._5.json", b'{"caption": "hidden"}'),
        ("__MACOSX/._6.txt", b"hidden"),
        ("./7.json", b'{"caption": "A key."}'),
    ]
    notes: list[str] = []
    assert _read(write_tar(tmp_path / "x.tar", members), notes) == [
        Found("A dog.", "0.json"),
        Found("A cat.", "0.json"),
        Found("A cup.", "1.txt"),
        Found("A hat.", "2.caption"),
        Found("A key.", "./7.json"),
    ]
    assert set(notes) == {"tar with captions in its samples' .json"}
    notes.clear()
    _read(write_tar(tmp_path / "x.tar", members[2:4]), notes)
    assert notes == []


def test_a_tar_without_captions_says_what_it_holds(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "x.tar", [("0.jpg", b"x"), ("0.json", b"{}"), ("noext", b"x")])
    with pytest.raises(
        NoCaptionsError, match=r"no .txt member.*\(endings of its members: .jpg, .json, none\)"
    ):
        _read(tar)
    with pytest.raises(NoCaptionsError, match="the tar is empty"):
        _read(write_tar(tmp_path / "empty.tar", []))
