from pathlib import Path

import fsspec
import pytest

from pipeline.storage import Folder


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    folder.write("a", b"old")

    class Unwritable:
        def __len__(self) -> int:
            raise OSError("disk full")

    with pytest.raises(TypeError):
        folder.write("a", Unwritable())
    assert folder.names() == ["a"]
    assert folder.read("a") == b"old"
    folder.write("a", b"new")
    assert folder.read("a") == b"new"
    assert folder.read("b") is None


def test_what_a_killed_writer_left_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    folder.write("a.parquet", b"x")
    (tmp_path / ".a.parquet.0123.tmp").write_bytes(b"half")
    (tmp_path / ".keep").write_bytes(b"")
    folder.remove_temporaries()
    assert folder.names() == [".keep", "a.parquet"]


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert Folder(str(tmp_path / "no")).names() == []


def test_an_object_store_is_a_folder_too() -> None:
    folder = Folder("memory://bucket/run")
    folder.make()
    folder.write("a", b"1")
    folder.write("a", b"2")
    assert folder.names() == ["a"]
    assert fsspec.filesystem("memory").cat_file("/bucket/run/a") == b"2"
    folder.remove("a")
    folder.remove("a")
    assert folder.names() == []
