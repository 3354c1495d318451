"""A remote bundle is copied once however many want it at once, and what does not arrive whole is not kept."""

import errno
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from maccap.bundle_cache import cached_bundle

FILES = {"config.json": b"{}", "llm/model.safetensors": b"weights" * 1000, ".cache/left": b"hidden"}


class CountingStorage(MemoryFileSystem):  # type: ignore[misc]
    """Counts what is fetched, slowly; `on_get` may do more."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.fetched = Counter[str]()
        self.on_get: Callable[[str, Path], object] = lambda name, local: None

    def get_file(self, rpath: str, lpath: str, **options: Any) -> None:
        self.fetched[rpath.rpartition("/")[2]] += 1
        super().get_file(rpath, lpath, **options)
        time.sleep(0.1)
        self.on_get(rpath, Path(lpath))


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountingStorage]:
    monkeypatch.setenv("MACCAP_CACHE", str(tmp_path / "cache"))
    storage = CountingStorage()
    for name, content in FILES.items():
        storage.pipe(f"/cached/big/{name}", content)
    yield storage
    storage.rm("/cached", recursive=True)


def opened(storage: CountingStorage) -> Path:
    folder = cached_bundle(storage, "/cached/big", "store://cached/big")
    assert folder is not None
    return folder


def left(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "bundles").iterdir())


def test_eight_at_once_copy_it_once(
    storage: CountingStorage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(8) as pool:
        folders = {future.result() for future in [pool.submit(opened, storage) for _ in range(8)]}
    (folder,) = folders
    assert storage.fetched == {"config.json": 1, "model.safetensors": 1}
    assert (folder / "llm" / "model.safetensors").read_bytes() == FILES["llm/model.safetensors"]
    assert left(tmp_path / "cache") == [folder.name]
    assert 1 <= len(caplog.messages) <= 7
    assert {*caplog.messages} == {
        f"another process copies store://cached/big to {folder.parent}: waiting for it"
    }


def test_a_copy_that_was_killed_is_removed_and_its_lock_is_free(
    storage: CountingStorage, tmp_path: Path
) -> None:
    folder = opened(storage)
    lock = tmp_path / "cache" / "locks" / f"{folder.name}.lock"
    killed = f"""
import os, sys
from filelock import FileLock
FileLock({str(lock)!r}).acquire()
os.rename({str(folder)!r}, {str(folder.with_name(f".{folder.name}-half"))!r})
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == -9
    assert left(tmp_path / "cache") == [f".{folder.name}-half"]
    assert opened(storage) == folder
    assert left(tmp_path / "cache") == [folder.name]


def _cut(name: str, local: Path) -> None:
    local.write_bytes(local.read_bytes()[:-1])


def _no_room(name: str, local: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(local))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (_cut, r"config\.json came as 1 bytes of 2\. Start again"),
        (_no_room, r"store://cached/big cannot be copied to .*No space left on device.* MACCAP_CACHE"),
        (
            lambda name, local: MemoryFileSystem().pipe("/cached/big/config.json", b"{ }"),
            "store://cached/big was written anew while it was copied",
        ),
    ],
    ids=["truncated", "full disk", "written meanwhile"],
)
def test_what_does_not_arrive_whole_is_not_kept(
    fault: Callable[[str, Path], object], told: str, storage: CountingStorage, tmp_path: Path
) -> None:
    storage.on_get = fault
    with pytest.raises(OSError, match=told):
        opened(storage)
    assert left(tmp_path / "cache") == []
    storage.on_get = lambda name, local: None
    assert opened(storage).is_dir()


def test_a_cache_that_cannot_be_written(storage: CountingStorage, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(OSError, match=r"cannot be copied to .* Set MACCAP_CACHE"):
        opened(storage)


def test_a_cache_that_can_only_be_read_serves_what_it_has(storage: CountingStorage, tmp_path: Path) -> None:
    folder = opened(storage)
    locks = tmp_path / "cache" / "locks"
    (locks / f"{folder.name}.lock").unlink()
    locks.rmdir()
    locks.write_text("so that no lock can be made")
    assert opened(storage) == folder
