"""The members of a tar, read once from front to back; nothing is unpacked to disk."""

import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import zstandard


def unpacked(stream: Any, name: str) -> Any:
    """`stream` without the Zstandard that a name ending in .zst stands for; tarfile knows the others."""
    zst = name.partition("?")[0].lower().endswith(".zst")
    return zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True) if zst else stream


def tar_members(
    stream: Any, mode: Literal["r|", "r|*"]
) -> Iterator[tuple[tarfile.TarInfo, Callable[[], bytes]]]:
    """Each regular file of the tar, and what reads its bytes before the next one is asked for.

    `mode` is tarfile's for a stream: `r|`, or `r|*` for compressed tars too. Raises `tarfile.ReadError` where
    the tar ends early or is damaged.
    """
    with tarfile.open(fileobj=stream, mode=mode, tarinfo=StrictTarInfo, errors="surrogateescape") as tar:
        for member in tar:
            # else tarfile keeps the header of every member until the archive ends
            tar.members = []  # type: ignore[attr-defined]
            if member.isreg():
                yield member, partial(_content, tar, member)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    data = file.read() if file else b""
    if len(data) != member.size:
        raise tarfile.ReadError(f"unexpected end of data in {member.name}")
    return data


class StrictTarInfo(tarfile.TarInfo):
    """Raises where `tarfile` would take a cut or damaged header for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "StrictTarInfo":
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the block that ends every whole archive
            raise
        except tarfile.EmptyHeaderError as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError("the archive ends early: it was cut short, or not closed") from error
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"the archive is damaged or cut short ({error})") from error
