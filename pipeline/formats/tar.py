"""The members of a tar, read once from front to back; nothing is unpacked to disk.

Python's `tarfile` takes a damaged header for the end of the archive, stops at the first end where several
tars stand in one file, and believes what headers claim. Here the first is an error, the second is read on,
and a header can neither send the reader backwards nor have it hold more than `_HEADER_BYTES`.
"""

import io
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Protocol, cast

_HEADER_BYTES = 256 << 10  # the headers of one member: a name of 100,000 characters fits
_DIGITS = re.compile(rb"\d{1000}")  # tarfile of Python before 3.11.10 searches such a run in quadratic time
_PIECE = 1 << 20
_EMPTY_BYTES = 1 << 30  # in one run: padding, where no member is
_NOTHING = bytes(_PIECE)


class MemberError(ValueError):
    """Why one member cannot be read, while those after it can."""


class Seekable(Protocol):
    """A stream that a member is read from, where it stands."""

    def seek(self, position: int, /) -> object: ...

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Member:
    """What a header says. `refusal` is why the member is not read, if it is no plain file."""

    name: str
    offset: int
    size: int
    refusal: str | None

    def read(self, stream: Seekable) -> bytes:
        """The member's bytes from the tar. Raises MemberError where it is refused, `tarfile.ReadError` where
        the tar ends in it.
        """
        if self.refusal:
            raise MemberError(self.refusal)
        stream.seek(self.offset)
        data = stream.read(self.size)
        if len(data) != self.size:
            raise tarfile.ReadError(f"unexpected end of data in {_short(self.name)}")
        return data


def tar_members(stream: Any) -> Iterator[tuple[Member, Callable[[], bytes]]]:
    """Each member but folders, and what reads its bytes (see `Member.read`) before the next one is asked for.

    The tar begins where the stream does. Raises `tarfile.ReadError`, or what a decompressor raises, where it
    ends early or is damaged.
    """
    source = _Source(stream)
    with _Tar(fileobj=cast(BinaryIO, source), errors="surrogateescape", ignore_zeros=True) as tar:
        while header := tar.next():
            # else tarfile keeps the header of every member until the archive ends
            tar.members = []  # type: ignore[attr-defined]
            source.in_header = False
            if sum(map(len, tar.pax_headers.values())) > _HEADER_BYTES:
                raise tarfile.ReadError("the archive is damaged: headers for all members, of absurd size")
            if header.size < 0:
                raise tarfile.ReadError(
                    f"the archive is damaged: {_short(header.name)} has {header.size} bytes"
                )
            if not header.isdir():
                member = Member(header.name, header.offset_data, header.size, _refusal(header))
                yield member, partial(member.read, source)
            source.next_header()


def last_names(stream: BinaryIO) -> list[str]:
    """Names of the files whose headers stand in a tar's last megabyte, told by their checksums; of one over
    100 characters a part may be missing.
    """
    stream.seek(max(0, stream.seek(0, io.SEEK_END) - _PIECE) // 512 * 512)
    data = stream.read()
    names = []
    for start in range(0, len(data) - 511, 512):
        with suppress(tarfile.HeaderError, ArithmeticError, ValueError):
            header = tarfile.TarInfo.frombuf(data[start : start + 512], "utf-8", "surrogateescape")
            names += [header.name] if header.isreg() else []
    return names


def _refusal(header: tarfile.TarInfo) -> str | None:
    name = _short(header.name)
    if header.issym() or header.islnk():
        return f"{name} is a link (to {_short(header.linkname)}), and links are not followed"
    if not header.isreg() or header.issparse():
        kind = "a sparse file" if header.isreg() else "no file (a device, a pipe or the like)"
        return f"{name} is {kind}, which is not read"
    return None


def _short(name: str) -> str:
    return name if len(name) <= 100 else f"{name[:50]}...{name[-47:]}"


class _StrictTarInfo(tarfile.TarInfo):
    """Raises where `tarfile` would take a cut or damaged header for the end of the archive.

    The end is the end of the file after an empty block; what stands behind such a block is read on.
    """

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "_StrictTarInfo":
        ended, tar.ended = getattr(tar, "ended", False), False  # type: ignore[attr-defined]
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the empty block
            tar.ended = True  # type: ignore[attr-defined]
            tar.offset += cast(_Source, tar.fileobj).pass_over_zeros()
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
    tarinfo = _StrictTarInfo


def _end(stream: Any) -> int | None:
    """Where a stored file ends, in which members are passed over by seeking; any other is read through."""
    if not isinstance(stream, io.BufferedReader) or not stream.seekable():
        return None
    end = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return end


class _Source:
    """What tarfile reads from: a stream that moves forward only and that no header makes it read all of."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._end = _end(stream)
        self._at = 0
        self._ahead = memoryview(b"")  # what was read from the stream already, from here on
        self._header_bytes = 0
        self.in_header = True

    def next_header(self) -> None:
        self.in_header, self._header_bytes = True, 0

    def tell(self) -> int:
        return self._at

    def seek(self, position: int) -> None:
        if position < self._at:
            raise tarfile.ReadError("the archive is damaged: a header points backwards")
        if self._end is not None and position > self._at + len(self._ahead):
            self._ahead = self._ahead[:0]
            self._at = self._stream.seek(min(position, self._end))
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

    def pass_over_zeros(self) -> int:
        """How many bytes of empty blocks stood here. tarfile would look at each block."""
        start, size = self._at, 16 << 10
        while piece := self._read(size):
            size = min(2 * size, _PIECE)
            if piece == _NOTHING[: len(piece)]:
                if self._at - start > _EMPTY_BYTES:
                    raise tarfile.ReadError(f"the archive holds nothing but zeros for {_EMPTY_BYTES:,} bytes")
                continue
            begin = self._at - len(piece)
            zeros = len(piece) - len(piece.lstrip(b"\0"))
            self._at = begin + zeros - (begin + zeros - start) % 512
            # a block may begin in the piece before
            block = bytes(max(begin - self._at, 0)) + piece[max(self._at - begin, 0) :]
            self._ahead = memoryview(block + bytes(self._ahead))
            break
        return self._at - start

    def close(self) -> None:
        """The stream is its owner's."""

    def _read(self, size: int) -> bytes:
        if self._ahead:
            data, self._ahead = bytes(self._ahead[:size]), self._ahead[size:]
        else:
            data = self._stream.read(size)
        self._at += len(data)
        return data

    def _check(self, data: bytes) -> None:
        self._header_bytes += len(data) if any(data) else 0  # empty blocks stand between tars, any number
        if self._header_bytes > _HEADER_BYTES or _DIGITS.search(data):
            raise tarfile.ReadError("the archive is damaged: a header of absurd size")
