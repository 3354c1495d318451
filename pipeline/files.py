"""Files behind paths and URLs, read with `pipeline.retries`: on from the byte where a connection broke."""

import io
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import fsspec

from pipeline.retries import storage

BLOCK = 8 << 20  # bytes a request: what a broken connection costs, and what a reading task holds

# One place tries again, ours. s3fs would list a bucket from memory, as it was, and ask for sizes first.
_S3: dict[str, Any] = {
    "config_kwargs": {"retries": {"total_max_attempts": 1, "mode": "standard"}},
    "use_listings_cache": False,
    "max_concurrency": 1,
}


def locate(url: str) -> tuple[Any, str]:
    """The fsspec filesystem of a path or URL, and the path in it. Raises ImportError, ValueError, OSError."""
    options = {protocol: _S3 for protocol in ("s3", "s3a") if f"{protocol}://" in url}
    filesystem, path = fsspec.core.url_to_fs(url, **options)
    if options:
        filesystem.retries = 1
    return filesystem, path


def is_local(filesystem: Any) -> bool:
    protocol = filesystem.protocol
    return "file" in ((protocol,) if isinstance(protocol, str) else protocol)


def file_kind(filesystem: Any, path: str) -> str | None:
    """`file`, `directory`, or None for what is not there. Raises OSError where the storage does not say."""
    try:
        return str(storage(_explained, filesystem, path, filesystem.info)["type"])
    except FileNotFoundError:
        return None


def read_bytes(filesystem: Any, path: str) -> bytes:
    return bytes(storage(filesystem.cat_file, path))


def read_file(filesystem: Any, path: str) -> bytes:
    """As `read_bytes`, of a file that anyone may have put there: raises OSError for a pipe or a device, whose
    reading never ends.
    """
    if is_local(filesystem) and not stat.S_ISREG(Path(path).stat().st_mode):
        raise OSError("it is no file (but a device, a pipe or the like)")
    return read_bytes(filesystem, path)


def open_stream(filesystem: Any, path: str) -> io.BufferedReader:
    """For reading front to back."""
    return io.BufferedReader(open_blocks(filesystem, path), min(1 << 20, BLOCK))


def open_blocks(filesystem: Any, path: str) -> io.RawIOBase:
    """For reading here and there, by seeking."""
    return io.FileIO(path) if is_local(filesystem) else _RetryingFile(filesystem, path)


class _RetryingFile(io.RawIOBase):
    """A remote file. A read that fails is tried again at the same byte; where the server knows no ranges, the
    file is opened again and read up to there.
    """

    def __init__(self, filesystem: Any, path: str) -> None:
        super().__init__()
        self._filesystem, self._path = filesystem, path
        self._position = 0
        self._file: Any = storage(self._open)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file is not None and self._file.seekable())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = int(self._file.seek(offset, whence))
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = storage(self._read, len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed and self._file is not None:
            self._file.close()
        super().close()

    def _read(self, size: int) -> bytes:
        if self._file is None:
            self._file = self._open()
            self._skip(self._position)
        if self._file.seekable() and self._file.tell() != self._position:
            self._file.seek(self._position)
        try:
            return bytes(self._file.read(size))
        except Exception:
            if not self._file.seekable():
                self._file = None
            raise

    def _skip(self, size: int) -> None:
        while size:
            size -= len(self._file.read(min(size, BLOCK))) or size

    def _open(self) -> Any:
        call = partial(self._filesystem.open, mode="rb", block_size=BLOCK, cache_type="readahead")
        return _explained(self._filesystem, self._path, call)


def _explained(filesystem: Any, path: str, call: Callable[[str], Any]) -> Any:
    """`call` of the path. S3 refuses a HEAD without a reason; reading a byte then tells it."""
    try:
        return call(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        response = getattr(error.__cause__, "response", None)
        if isinstance(response, dict) and response.get("Error", {}).get("Code") in ("400", "403"):
            filesystem.cat_file(path, start=0, end=1)
        raise
