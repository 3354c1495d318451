"""A packed tar's bytes, unpacked as they are read: gzip, bzip2, xz, Zstandard and LZ4, told by how a file
begins and not by its name.

A file may hold several packed streams, as parallel packers write them, with zeros behind. One that is cut
short or damaged raises, where some readers stop in silence. Memory is bounded, and so is time: images hardly
shrink, so what unpacks to a thousand times its size is no archive of them, and is read no further.
"""

import bz2
import io
import lzma
import re
import tarfile
import zlib
from collections.abc import Callable
from typing import Any, Protocol

import pyarrow as pa

_PIECE = 1 << 20
_XZ_MEMORY = 256 << 20  # `xz -9` needs 65 MB
_MOST_TIMES = 1000  # the size of the packed file, which DEFLATE alone reaches with nothing but zeros
_ALWAYS = 4 << 30  # bytes that any file may unpack to

_OTHERS = {
    b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x1f\x9d": "packed by `compress` (.Z)",
    b"LZIP\x01": "packed by lzip",
    b"\x02\x21\x4c\x18": "packed in LZ4's old format",
    b"<!DOCTYPE ": "a web page",
    b"<html": "a web page",
}


def unpacked(stream: io.BufferedReader) -> Any:
    """`stream` itself, or what unpacks it if it begins as a packed file does: its `read` gives bytes front to
    back, and raises `tarfile.ReadError` where they are damaged, cut short or of absurd size, and for archives
    of other kinds.
    """
    head = stream.peek(10)
    return next((_Unpacked(stream, unpack) for magic, unpack in _UNPACKERS if magic.match(head)), stream)


class _Unpacked:
    def __init__(self, stream: Any, unpack: "Callable[[_Packed], _Reader]") -> None:
        self._packed = _Packed(stream)
        self._reader = unpack(self._packed)
        self._size = 0

    def read(self, size: int) -> bytes:
        try:
            data = self._reader.read(size)
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
            if self._packed.error:  # the storage's, not the file's
                raise self._packed.error from None
            raise tarfile.ReadError(f"the archive is damaged or cut short ({error})") from error
        self._size += len(data)
        if self._size > max(_ALWAYS, _MOST_TIMES * self._packed.size):
            raise tarfile.ReadError(
                f"the archive unpacks to more than {_MOST_TIMES:,} times its size, which is read no further: "
                f"{self._packed.size:,} bytes gave {self._size:,}"
            )
        return data


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Packed:
    """The stored file. Counts the bytes, and keeps what the storage raises from those who read through it."""

    closed = False  # what pyarrow asks of a file

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.size = 0
        self.error: BaseException | None = None

    def read(self, size: int) -> bytes:
        try:
            data: bytes = self._stream.read(size)
        except BaseException as error:
            self.error = error
            raise
        self.size += len(data)
        return data

    def close(self) -> None:
        """The stream is its owner's."""


class _Streams:
    """Packed streams, one behind another, by one of the standard library's decompressors."""

    def __init__(self, packed: _Packed, decompressor: Callable[[], Any]) -> None:
        self._packed, self._decompressor = packed, decompressor
        self._input = b""
        self._stream: Any = None

    def read(self, size: int) -> bytes:
        while self._stream is not None or self._begin():
            if not self._input and self._stream.needs_input:
                self._input = self._packed.read(_PIECE)
                ended = not self._input
            else:
                ended = False
            data: bytes = self._stream.decompress(self._input, size)
            self._input = b""
            if self._stream.eof:
                self._input, self._stream = self._stream.unused_data, None
            if data:
                return data
            if ended and self._stream is not None:
                raise EOFError("its last packed stream has no end")
        return b""

    def _begin(self) -> bool:
        """Whether another stream follows. Zeros in between are padding, and none of a stream's beginning."""
        self._input = self._input.lstrip(b"\0")
        while not self._input:
            if not (data := self._packed.read(_PIECE)):
                return False
            self._input = data.lstrip(b"\0")
        self._stream = self._decompressor()
        return True


class _Gzip:
    """zlib's decompressor with the interface of those of bz2 and lzma."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def decompress(self, data: bytes, size: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, size)

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data


class _Refused:
    def __init__(self, head: bytes) -> None:
        self._kind = next(kind for magic, kind in _OTHERS.items() if head.startswith(magic))

    def read(self, size: int) -> bytes:
        raise tarfile.ReadError(
            f"it is {self._kind}, which is not read: give a tar, also as .gz, .bz2, .xz, .zst or .lz4"
        )


def _gzip(packed: _Packed) -> _Reader:
    return _Streams(packed, _Gzip)


def _bzip2(packed: _Packed) -> _Reader:
    return _Streams(packed, bz2.BZ2Decompressor)


def _xz(packed: _Packed) -> _Reader:
    return _Streams(packed, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY))


def _arrow(kind: str) -> Callable[[_Packed], _Reader]:
    return lambda packed: pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), kind)


_UNPACKERS: list[tuple[re.Pattern[bytes], Callable[[_Packed], _Reader]]] = [
    (re.compile(rb"\x1f\x8b\x08"), _gzip),
    (re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), _bzip2),  # a tar may begin with a name in BZh
    (re.compile(rb"\xfd7zXZ\0"), _xz),
    (re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), _arrow("zstd")),
    (re.compile(rb"\x04\x22\x4d\x18"), _arrow("lz4")),
    (re.compile(b"|".join(map(re.escape, _OTHERS))), lambda packed: _Refused(packed.read(10))),
]
