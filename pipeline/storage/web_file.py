"""A file on a web server: in blocks where the server answers ranges, else as one stream, front to back.

The server is asked for what is wanted, never about it: a HEAD may be refused or lie. What the transfer was
encoded with (`Content-Encoding`) is undone; ranges of such a body would be of other bytes, so it is a stream.
"""

import hashlib
import io
import re
from dataclasses import dataclass
from typing import Any

import aiohttp
from fsspec import AbstractFileSystem
from fsspec.asyn import sync

from pipeline.storage.redact import redacted
from pipeline.storage.retries import FileChangedError, StorageError, storage

# a tar may be read for hours, but no single answer is waited for so long
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")
_PIECE = 1 << 20


def is_web(filesystem: AbstractFileSystem) -> bool:
    return "https" in filesystem.protocol


def web_info(filesystem: AbstractFileSystem, url: str) -> dict[str, Any]:
    """As fsspec's `info`. Raises FileNotFoundError, or what aiohttp raises."""

    async def ask() -> dict[str, Any]:
        response = await _get(filesystem, url, {"Range": "bytes=0-0"})
        response.close()
        version = _Version.of(response)
        told = {"ETag": version.etag, "Last-Modified": version.modified}
        return {"name": url, "type": "file", "size": version.size, **told}

    info: dict[str, Any] = sync(filesystem.loop, ask)
    return info


class WebFile(io.RawIOBase):
    """Read on, after a cut, at the same byte of the same file: the server's ETag, time of change and size
    tell whether it is that, and of a stream the bytes before.

    Raises FileNotFoundError for a 404, FileChangedError for a file that was replaced meanwhile, and what
    `storage` makes of all else.
    """

    def __init__(self, filesystem: AbstractFileSystem, url: str, block: int) -> None:
        super().__init__()
        self._filesystem, self._url, self._block_size = filesystem, url, block
        self._position = 0
        self._block, self._block_start = b"", 0
        self._response: aiohttp.ClientResponse | None = None  # of a stream
        self._read_so_far = hashlib.blake2b()  # of a stream
        self._ranges = True
        self._version = _Version()
        storage(self._wait, self._begin)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._ranges

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if not self._ranges:
            raise io.UnsupportedOperation(f"{redacted(self._url)} can only be read from front to back")
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._version.size or 0}[whence]
        self._position = max(start + offset, 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = storage(self._read, len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(_PIECE), b""))

    def close(self) -> None:
        if not self.closed and self._response is not None:
            self._filesystem.loop.call_soon_threadsafe(self._response.close)
        super().close()

    def _wait(self, call: Any, *args: Any) -> Any:
        return sync(self._filesystem.loop, call, *args)

    def _read(self, size: int) -> bytes:
        if not self._ranges:
            data: bytes = self._wait(self._read_stream, size)
            self._read_so_far.update(data)
            return data
        if self._position >= (self._version.size or 0):
            return b""
        if not self._block_start <= self._position < self._block_start + len(self._block):
            self._block, self._block_start = self._wait(self._read_range, self._position), self._position
        start = self._position - self._block_start
        return self._block[start : start + size]

    async def _begin(self) -> None:
        response = await self._ask(0)
        self._version = _Version.of(response)
        if response.status == 206 and self._version.start == 0:
            async with response:
                self._block = await _body(response, self._block_size)
            return
        self._ranges = False
        if response.status != 200:  # a range that is not told of, of an encoded body, or of an empty file
            response.close()
            response = await self._ask()
            self._version = _Version.of(response)
        self._response = response

    async def _read_range(self, start: int) -> bytes:
        async with await self._ask(start) as response:
            self._check(response)
            if response.status == 200:  # the whole file this time
                await _skip(response, start)
            elif _Version.of(response).start != start:
                raise StorageError(f"{redacted(self._url)}: the server sent other bytes than were asked for")
            data = await _body(response, min(self._block_size, (self._version.size or 0) - start))
        if not data:
            raise ConnectionError(f"{redacted(self._url)}: the server sent nothing")
        return data

    async def _read_stream(self, size: int) -> bytes:
        if self._response is None:
            response = await self._ask()
            try:
                self._check(response)
                before = await _skip(response, self._position)
            except BaseException:
                response.close()
                raise
            if before.digest() != self._read_so_far.digest():
                response.close()
                raise self._changed()
            self._response = response
        try:
            return await _body(self._response, size)
        except BaseException:
            self._response.close()
            self._response = None
            raise

    async def _ask(self, start: int | None = None) -> aiohttp.ClientResponse:
        """For the whole file, or for a block of it."""
        if start is None:
            return await _get(self._filesystem, self._url, {})
        end = min(start + self._block_size, self._version.size or start + self._block_size)
        return await _get(self._filesystem, self._url, {"Range": f"bytes={start}-{end - 1}"})

    def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status == 416 or not self._version.may_be(_Version.of(response)):
            raise self._changed()

    def _changed(self) -> FileChangedError:
        return FileChangedError(f"{redacted(self._url)} was replaced by another file while it was read")


@dataclass(frozen=True)
class _Version:
    """What an answer tells of the file. `size` is None, and `start` of the range too, where it does not."""

    size: int | None = None
    etag: str = ""
    modified: str = ""
    start: int | None = None

    @classmethod
    def of(cls, response: aiohttp.ClientResponse) -> "_Version":
        headers, size, start = response.headers, None, None
        if headers.get("Content-Encoding", "identity") in ("", "identity"):
            if response.status == 200:
                size = response.content_length
            elif found := _RANGE.match(headers.get("Content-Range", "")):
                start, size = int(found[1]) if found[1] else None, int(found[2])
        return cls(size, headers.get("ETag", ""), headers.get("Last-Modified", ""), start)

    def may_be(self, other: "_Version") -> bool:
        if None not in (self.size, other.size) and self.size != other.size:
            return False
        if self.etag and other.etag:
            return self.etag == other.etag
        return not (self.modified and other.modified) or self.modified == other.modified


async def _get(filesystem: AbstractFileSystem, url: str, headers: dict[str, str]) -> aiohttp.ClientResponse:
    session = await filesystem.set_session()
    options = {"timeout": _TIMEOUT, **filesystem.kwargs}
    headers = {**options.pop("headers", {}), "Accept-Encoding": "identity", **headers}
    response = await session.get(filesystem.encode_url(url), headers=headers, **options)
    if response.status in (404, 410):
        response.close()
        raise FileNotFoundError(f"{redacted(url)} is not there (HTTP {response.status})")
    if response.status != 416:
        response.raise_for_status()
    return response


async def _body(response: aiohttp.ClientResponse, size: int) -> bytes:
    """`size` bytes, or what is left. What came before a cut counts."""
    pieces = list[bytes]()
    try:
        while size and (piece := await response.content.read(min(size, _PIECE))):
            pieces.append(piece)
            size -= len(piece)
    except (aiohttp.ClientError, OSError):
        if not pieces:
            raise
    return b"".join(pieces)


async def _skip(response: aiohttp.ClientResponse, size: int) -> Any:
    """Read on by so many bytes, and their digest."""
    digest = hashlib.blake2b()
    while size and (piece := await response.content.read(min(size, _PIECE))):
        digest.update(piece)
        size -= len(piece)
    return digest
