"""A folder of files, local or behind any fsspec URL, whose files appear whole or not at all."""

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.storage.errors import RunError
from pipeline.storage.files import file_kind, is_local, is_s3, locate, open_blocks, read_bytes
from pipeline.storage.listing import files_below
from pipeline.storage.redact import describe, redacted
from pipeline.storage.retries import storage
from pipeline.storage.s3_listing import list_prefix

_TEMPORARY = ".tmp"
_ABANDONED = 3600  # seconds without a byte, after which nobody writes a temporary file any more


class Folder:
    """A flat folder. A local file is written under a hidden temporary name and renamed; an object store's
    upload (one PUT, or the completion of a multipart one) is whole by itself.

    Every call is tried again while the storage's trouble is transient, and then raises OSError.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._filesystem, self._path = locate(self.url)
        self._local = is_local(self._filesystem)

    def make(self) -> None:
        storage(self._filesystem.makedirs, self._path, exist_ok=True)

    def names(self) -> list[str]:
        """Names of what is in the folder, sorted; empty for a folder that is not there."""
        if self._local:  # a list of dictionaries, as fsspec makes one, is ten times the memory
            with suppress(FileNotFoundError):
                return sorted(os.listdir(self._path))  # noqa: PTH208
            return []
        self._filesystem.invalidate_cache()
        try:
            return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in self._paths())
        except FileNotFoundError:
            return []

    def _paths(self) -> Iterator[str]:
        if is_s3(self._filesystem):  # page by page: s3fs would hold a kilobyte for each file
            return (str(info["name"]) for info in list_prefix(self._filesystem, self._path))
        return map(str, storage(self._filesystem.ls, self._path, detail=False))

    def open(self, name: str) -> Any:
        return open_blocks(self._filesystem, self._join(name))

    def read(self, name: str) -> bytes | None:
        """The file's bytes, or None if it is not there."""
        try:
            return read_bytes(self._filesystem, self._join(name))
        except FileNotFoundError:
            return None

    def write(self, name: str, data: Any) -> None:
        """Write `data` (bytes or an Arrow buffer) as `name`, over what was there."""
        if self._local:
            self._write_local(name, data, lambda temporary, target: temporary.replace(target))
        else:
            storage(self._filesystem.pipe_file, self._join(name), bytes(data))

    def create(self, name: str, data: bytes) -> bool:
        """Write `data` as `name` unless that is there; of several at once, one does, where the storage can
        tell. Returns whether `name` now holds `data`.
        """
        try:
            if self._local:
                self._write_local(name, data, _link)
            else:
                self._create_stored(name, data)
        except FileExistsError:  # perhaps by our own request, whose answer was lost
            return self.read(name) == data
        return True

    def _create_stored(self, name: str, data: bytes) -> None:
        try:
            storage(self._filesystem.pipe_file, self._join(name), data, mode="create")
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise
            if self.read(name) is not None:  # of a store without conditional writes
                raise FileExistsError(errno.EEXIST, f"{name} is there") from None
            self.write(name, data)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            storage(self._filesystem.rm_file, self._join(name))

    def remove_all(self) -> None:
        """Remove the folder and all that is in it."""
        if file_kind(self._filesystem, self._path) is None:
            return
        if self._local:
            shutil.rmtree(self._path)
            return
        # fsspec's own way takes a name with `[` for a pattern
        for path in files_below(self._filesystem, self._path, hidden=True):
            storage(self._filesystem.rm_file, path)

    def remove_temporaries(self, of: Callable[[str], bool] = lambda name: True) -> None:
        """Clear what a killed writer left half written of the files whose names are in `of`, an hour after it
        last wrote: younger ones may be another's, who is about to rename them.
        """
        if not self._local:  # an object store has none
            return
        found = [name for name in self.names() if name.startswith(".") and name.endswith(_TEMPORARY)]
        left = [name for name in found if of(name[1:].rsplit(".", 2)[0])]
        now = self._now() if left else 0.0
        for name in left:
            with suppress(FileNotFoundError):
                path = Path(self._join(name))
                if now - path.stat().st_mtime > _ABANDONED:
                    path.unlink()

    def _now(self) -> float:
        """By the clock that the times of files here are of, which may be another machine's."""
        probe = self._temporary("clock")
        try:
            probe.touch()
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)

    def _temporary(self, name: str) -> Path:
        return Path(self._join(f".{name}.{uuid.uuid4().hex}{_TEMPORARY}"))

    def _write_local(self, name: str, data: Any, put: Callable[[Path, str], object]) -> None:
        temporary = self._temporary(name)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            put(temporary, self._join(name))
        finally:
            temporary.unlink(missing_ok=True)

    def _join(self, name: str) -> str:
        return f"{self._path}/{name}"


def _link(temporary: Path, target: str) -> None:
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a filesystem without links
        temporary.replace(target)


@contextmanager
def writing(url: str) -> Iterator[None]:
    """Turn what a storage raises as `url` is written into a RunError that says what to fix."""
    with _explaining(url, "written"):
        yield


@contextmanager
def reading(url: str) -> Iterator[None]:
    """As `writing`, as `url` is read."""
    with _explaining(url, "read"):
        yield


@contextmanager
def _explaining(url: str, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"{redacted(url)} cannot be {done}: {_fix(error)}") from error


def _fix(error: OSError) -> str:
    again = "start the same command again: it resumes."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({describe(error)}). Free some space there, and {again}"
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return f"permission denied ({describe(error)}). Make it writable, and {again}"
    return f"{describe(error)}. Put that right, and {again}"
