"""The members of a tar, read once from front to back; nothing is unpacked to disk.

Python's `tarfile` takes a damaged header for the end of the archive, stops at the first end where several
tars stand in one file, and believes what headers claim. Here the first is an error, the second is read on,
and a header can neither send the reader backwards nor have it hold more than `_HEADER_BYTES`.
"""

import bz2
import gzip
import io
import lzma
import re
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO, Literal, cast

_HEADER_BYTES = 256 << 10  # the headers of one member: a name of 100,000 characters fits
_DIGITS = re.compile(rb"\d{1000}")  # tarfile of Python before 3.11.10 searches such a run in quadratic time
_PIECE = 1 << 20
_PACKED: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}


class MemberError(ValueError):
    """Why one member cannot be read, while those after it can."""


def tar_members(
    stream: Any, mode: Literal["r|", "r|*"]
) -> Iterator[tuple[tarfile.TarInfo, Callable[[], bytes]]]:
    """Each member but folders, and what reads its bytes before the next one is asked for.

    For anything but a plain file that raises MemberError. `mode` is tarfile's for a stream: `r|`, or `r|*`
    for compressed tars too. Raises `tarfile.ReadError`, or what a decompressor raises, where the tar ends
    early or is damaged.
    """
    source = _Source(_unpacked(stream) if mode == "r|*" else stream)
    with _Tar(fileobj=cast(BinaryIO, source), errors="surrogateescape", ignore_zeros=True) as tar:
        while member := tar.next():
            # else tarfile keeps the header of every member until the archive ends
            tar.members = []  # type: ignore[attr-defined]
            source.in_header = False
            if sum(map(len, tar.pax_headers.values())) > _HEADER_BYTES:
                raise tarfile.ReadError("the archive is damaged: headers for all members, of absurd size")
            if member.size < 0:
                raise tarfile.ReadError(
                    f"the archive is damaged: {_short(member.name)} has {member.size} bytes"
                )
            if not member.isdir():
                yield member, partial(_content, source, member)
            source.next_header()


def _content(source: "_Source", member: tarfile.TarInfo) -> bytes:
    name = _short(member.name)
    if member.issym() or member.islnk():
        raise MemberError(f"{name} is a link (to {_short(member.linkname)}), and links are not followed")
    if not member.isreg() or member.issparse():
        kind = "a sparse file" if member.isreg() else "no file (a device, a pipe or the like)"
        raise MemberError(f"{name} is {kind}, which is not read")
    source.seek(member.offset_data)
    data = source.read(member.size)
    if len(data) != member.size:
        raise tarfile.ReadError(f"unexpected end of data in {name}")
    return data


def _short(name: str) -> str:
    return name if len(name) <= 100 else f"{name[:50]}...{name[-47:]}"


class StrictTarInfo(tarfile.TarInfo):
    """Raises where `tarfile` would take a cut or damaged header for the end of the archive.

    The end is the end of the file after an empty block; what stands behind such a block is read on.
    """

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "StrictTarInfo":
        ended, tar.ended = getattr(tar, "ended", False), False  # type: ignore[attr-defined]
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the empty block
            tar.ended = True  # type: ignore[attr-defined]
            raise
        except tarfile.EmptyHeaderError as error:  # type: ignore[attr-defined]  # the end of the file
            if ended:
                tar.ended = True  # type: ignore[attr-defined]
                raise
            raise tarfile.ReadError("the archive ends early: it was cut short, or not closed") from error
        except (
            tarfile.HeaderError,
            ArithmeticError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            raise tarfile.ReadError(f"the archive is damaged or cut short ({error})") from error


class _Tar(tarfile.TarFile):
    tarinfo = StrictTarInfo


class _Source:
    """What tarfile reads from: a stream that moves forward only and that no header makes it read all of."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._at = 0
        self._header_bytes = 0
        self.in_header = True

    def next_header(self) -> None:
        self.in_header, self._header_bytes = True, 0

    def tell(self) -> int:
        return self._at

    def seek(self, position: int) -> None:
        if position < self._at:
            raise tarfile.ReadError("the archive is damaged: a header points backwards")
        while self._at < position and self._read(min(_PIECE, position - self._at)):
            pass

    def read(self, size: int) -> bytes:
        """`size` bytes, or what is left."""
        if self.in_header and not 0 <= size <= _HEADER_BYTES:
            raise tarfile.ReadError(f"the archive is damaged: a header claims {size} bytes")
        pieces: list[bytes] = []
        while size > 0 and (piece := self._read(min(size, _PIECE))):
            pieces.append(piece)
            size -= len(piece)
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self.in_header:
            self._check(data)
        return data

    def close(self) -> None:
        """The stream is its owner's."""

    def _read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        self._at += len(data)
        return data

    def _check(self, data: bytes) -> None:
        self._header_bytes += len(data) if any(data) else 0  # empty blocks stand between tars, any number
        if self._header_bytes > _HEADER_BYTES or _DIGITS.search(data):
            raise tarfile.ReadError("the archive is damaged: a header of absurd size")


def _unpacked(stream: Any) -> Any:
    """`stream`, decompressed if it begins as a compressed file does."""
    buffered = io.BufferedReader(_Raw(stream), _PIECE)
    head = buffered.peek(6)
    return next((opener(buffered) for magic, opener in _PACKED.items() if head.startswith(magic)), buffered)


class _Raw(io.RawIOBase):
    """Any object with `read` as Python's own files are."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
