"""Files behind paths and URLs, read with retries: on from the byte where a connection broke."""

import io
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec import AbstractFileSystem

from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe, redacted
from pipeline.storage.retries import FileChangedError, StorageError, storage
from pipeline.storage.urls import canonical, is_chained, local_path, scheme
from pipeline.storage.web_file import WebFile, is_web, web_info

BLOCK = 8 << 20  # bytes a request: what a broken connection costs, and what a reading task holds

# One place tries again, ours. s3fs would list a bucket from memory, as it was, and ask for sizes first.
_S3: dict[str, Any] = {
    "config_kwargs": {"retries": {"total_max_attempts": 1, "mode": "standard"}},
    "use_listings_cache": False,
    "max_concurrency": 1,
}

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}


def locate(url: str) -> tuple[AbstractFileSystem, str]:
    """The fsspec filesystem of a path or URL, and the path in it; no percent-escape is undone.

    Raises ImportError for a storage whose client is not installed, ValueError for an unknown one, OSError.
    """
    url = canonical(url)
    chained = is_chained(url)
    if scheme(url) is None and not chained:
        return fsspec.filesystem("file"), str(local_path(url).absolute())
    options = {protocol: _S3 for protocol in ("s3", "s3a") if f"{protocol}://" in url}
    # `::` in a key is a part of its name
    filesystem, path = _known(fsspec.core.url_to_fs, url if chained else url.partition("::")[0], **options)
    if options:
        filesystem.retries = 1
    return filesystem, path if chained else fsspec.core.strip_protocol(url)


def _known(
    call: Callable[..., tuple[AbstractFileSystem, str]], url: str, **options: Any
) -> tuple[AbstractFileSystem, str]:
    try:
        return call(url, **options)
    except ImportError as error:
        if (protocol := scheme(url)) not in _EXTRAS:
            raise  # it says what to install
        raise ImportError(
            f"{protocol}:// needs a client that is not installed: pip install 'maccap[{_EXTRAS[protocol]}]'"
        ) from error
    except ValueError as error:
        if (protocol := scheme(url)) in fsspec.available_protocols() or protocol is None:
            raise
        raise ValueError(
            f"{protocol}:// is no storage that is known: s3://, gs://, hf://, https:// and others of "
            "fsspec's are, and paths of this machine"
        ) from error


def is_local(filesystem: AbstractFileSystem) -> bool:
    return "file" in _protocols(filesystem)


def is_s3(filesystem: AbstractFileSystem) -> bool:
    return "s3" in _protocols(filesystem)


def _protocols(filesystem: AbstractFileSystem) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def file_info(
    filesystem: AbstractFileSystem, path: str, retries: Callable[..., Any] = storage
) -> dict[str, Any]:
    """What the storage says of exactly this name (never a pattern), as fsspec's `info`. Raises OSError."""
    with naming(filesystem, path):
        if is_web(filesystem):
            return dict(retries(web_info, filesystem, path))
        return dict(retries(_explained, filesystem, path, filesystem.info))


def file_kind(filesystem: AbstractFileSystem, path: str) -> str | None:
    """`file`, `directory`, or None where there is nothing of exactly this name. Raises OSError where the
    storage does not say.
    """
    try:
        return str(file_info(filesystem, path)["type"])
    except FileNotFoundError:
        return None


def read_bytes(filesystem: AbstractFileSystem, path: str) -> bytes:
    if is_web(filesystem):
        with open_stream(filesystem, path) as stream:
            return stream.read()
    with naming(filesystem, path):
        return bytes(storage(filesystem.cat_file, path))


def read_file(filesystem: AbstractFileSystem, path: str) -> bytes:
    """As `read_bytes`, of a file that anyone may have put there: raises OSError for a pipe or a device, whose
    reading never ends.
    """
    if is_local(filesystem) and not stat.S_ISREG(Path(path).stat().st_mode):
        raise OSError("it is no file (but a device, a pipe or the like)")
    return read_bytes(filesystem, path)


def open_stream(filesystem: AbstractFileSystem, path: str) -> io.BufferedReader:
    """For reading front to back, and here and there if it is `seekable()`."""
    return io.BufferedReader(_open(filesystem, path), min(1 << 20, BLOCK))


def open_blocks(filesystem: AbstractFileSystem, path: str) -> io.RawIOBase:
    """For reading here and there, by seeking. Raises OSError where the storage cannot."""
    file = _open(filesystem, path)
    if file.seekable():
        return file
    file.close()
    raise StorageError(
        f"{_named(filesystem, path)} must be read here and there, and its server sends it from front to back "
        "only (it does not answer ranges): copy it to a disk or an object store, and give that"
    )


def _open(filesystem: AbstractFileSystem, path: str) -> io.RawIOBase:
    if is_local(filesystem):
        return io.FileIO(path)
    with naming(filesystem, path):
        if is_web(filesystem):
            return WebFile(filesystem, path, BLOCK)
        return _RetryingFile(filesystem, path)


class _RetryingFile(io.RawIOBase):
    """A file of a storage's own client. A read that fails is tried again at the same byte."""

    def __init__(self, filesystem: AbstractFileSystem, path: str) -> None:
        super().__init__()
        self._filesystem, self._path = filesystem, path
        self._position = 0
        self._file: Any = storage(_explained, filesystem, path, self._open)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = int(self._file.seek(offset, whence))
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        with naming(self._filesystem, self._path):
            data = storage(self._read, len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def _open(self, path: str) -> Any:
        return self._filesystem.open(path, mode="rb", block_size=BLOCK, cache_type="readahead")

    def _read(self, size: int) -> bytes:
        if self._file.tell() != self._position:
            self._file.seek(self._position)
        try:
            return bytes(self._file.read(size))
        except OSError as error:
            if type(error).__name__ == "FileExpired":  # s3fs compares the ETag
                raise FileChangedError("it was replaced by another file while it was read") from error
            raise


def _named(filesystem: AbstractFileSystem, path: str) -> str:
    return redacted(path if is_local(filesystem) else str(filesystem.unstrip_protocol(path)))


@contextmanager
def naming(filesystem: AbstractFileSystem, path: str) -> Iterator[None]:
    """Put the file's name into what is raised of it: a storage's client seldom does."""
    try:
        yield
    except OSError as error:
        kinds = (FileNotFoundError, PermissionError, FileChangedError, StorageError)
        kind = next((kind for kind in kinds if isinstance(error, kind)), None)
        name = _named(filesystem, path)
        if kind is None or name in str(error):
            raise
        if kind is FileNotFoundError:
            raise FileNotFoundError(f"{name} is not there") from error
        raise kind(f"{name}: {describe(error)}") from error


def _explained(filesystem: AbstractFileSystem, path: str, call: Callable[[str], Any]) -> Any:
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


@contextmanager
def reading_file(
    name: str, hint: str = "If the file was cut short or damaged, copy or export it again."
) -> Iterator[None]:
    """Turn what a damaged file or a far storage raises, which has no common class, into a UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{name} cannot be read: {describe(error).rstrip('.')}. {hint}") from error
