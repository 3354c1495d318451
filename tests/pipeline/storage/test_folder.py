import errno
import os
import time
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pipeline.storage.folder import Folder
from tests.faulty_proxy import FaultyProxy


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
    for name in (".a.parquet.0123.tmp", ".b.parquet.0123.tmp", ".keep"):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - 4000, time.time() - 4000))
    (tmp_path / ".c.parquet.0123.tmp").write_bytes(b"another writes it now")
    folder.remove_temporaries(lambda name: name != "b.parquet")
    assert folder.names() == [".b.parquet.0123.tmp", ".c.parquet.0123.tmp", ".keep", "a.parquet"]


def test_two_drivers_do_not_take_each_others_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Folder(str(tmp_path)), Folder(str(tmp_path))
    replace = Path.replace

    def slowly(temporary: Path, target: str) -> Path:
        second.remove_temporaries()
        return replace(temporary, target)

    monkeypatch.setattr(Path, "replace", slowly)
    first.write("a", b"x")
    assert first.names() == ["a"]


def test_a_store_without_conditional_writes_is_looked_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe_file = MemoryFileSystem.pipe_file

    def unconditional(self: MemoryFileSystem, path: str, value: bytes, mode: str = "overwrite") -> None:
        if mode == "create":  # as s3fs tells the answer 501
            raise OSError(errno.ENOSYS, "A header you provided implies functionality that is not implemented")
        pipe_file(self, path, value)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", unconditional)
    folder = Folder("memory://created")
    assert folder.create("a", b"first")
    assert folder.create("a", b"first")
    assert not folder.create("a", b"second")
    assert folder.read("a") == b"first"
    folder.remove_all()


def test_a_folder_is_removed_and_not_what_its_name_would_match(s3: FaultyProxy) -> None:
    for name in ("run[1]", "run1"):
        Folder(f"s3://bucket/{name}").write("a/b", b"x")
        Folder(f"s3://bucket/{name}").write(".hidden", b"x")
    Folder("s3://bucket/run[1]").remove_all()
    assert Folder("s3://bucket/run[1]").names() == []
    assert Folder("s3://bucket/run1").names() == [".hidden", "a"]


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
