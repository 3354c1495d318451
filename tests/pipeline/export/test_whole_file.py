"""A file is there whole or not at all: on a disk, and behind a URL."""

from pathlib import Path

import pytest

from pipeline.export.whole_file import remove_temporaries, whole_file
from pipeline.storage.errors import RunError
from pipeline.storage.files import locate
from tests.faulty_proxy import FaultyProxy


def test_on_a_disk(tmp_path: Path) -> None:
    with whole_file(f"{tmp_path}/a/b.txt") as file:
        file.write(b"one")
        assert not (tmp_path / "a/b.txt").exists()
    with pytest.raises(TypeError), whole_file(f"{tmp_path}/a/b.txt") as file:
        file.write("no bytes")  # type: ignore[arg-type]
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "a").iterdir()] == [("b.txt", b"one")]


def test_what_killed_writers_left(tmp_path: Path) -> None:
    hexadecimal = "0123456789abcdef" * 2
    for name in (f".{hexadecimal}.tmp", f".a.jpg.{hexadecimal}.tmp", ".mine.tmp", f"{hexadecimal}.tmp"):
        (tmp_path / name).touch()
    remove_temporaries(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine.tmp", f"{hexadecimal}.tmp"]


def test_behind_a_url(s3: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with whole_file("s3://bucket/a/b.txt") as file:
        file.write(b"one")
    with pytest.raises(TypeError), whole_file("s3://bucket/a/c.txt") as file:
        file.write("no bytes")  # type: ignore[arg-type]
    filesystem, _ = locate("s3://bucket")
    assert filesystem.find("bucket/a") == ["bucket/a/b.txt"]
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/x.txt cannot be written"), whole_file(f"{tmp_path}/file/x.txt"):
        pass
