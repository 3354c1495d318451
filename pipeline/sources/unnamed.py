"""Files of a folder whose names do not tell that they are images: their first bytes do."""

import os
import stat
from collections.abc import Sequence

from fsspec import AbstractFileSystem

from pipeline.formats.extensions import is_known, shows_an_image
from pipeline.formats.image_format import HEAD_BYTES
from pipeline.storage.files import is_local
from pipeline.storage.listing import Entry
from pipeline.storage.retries import storage

_LEAST = 16  # bytes of an image
_TOGETHER = 1000  # files asked for at once


def may_be_image(entry: Entry) -> bool:
    """Whether a file is worth a look: its name says nothing of what it is."""
    stem, dot, extension = entry.name.rpartition(".")
    return not entry.is_folder and entry.size >= _LEAST and not (stem and dot and is_known(extension.lower()))


def images_among(filesystem: AbstractFileSystem, files: Sequence[Entry]) -> frozenset[str]:
    """The names of those that are images; a file that may not be read is none. Raises OSError where the
    storage does not answer.
    """
    found: set[str] = set()
    for first in range(0, len(files), _TOGETHER):
        some = files[first : first + _TOGETHER]
        heads = map(_local_head, some) if is_local(filesystem) else _stored_heads(filesystem, some)
        found.update(file.name for file, head in zip(some, heads, strict=True) if shows_an_image(head))
    return frozenset(found)


def _local_head(file: Entry) -> bytes:
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would hold us up
    except OSError:
        return b""
    try:
        return os.read(descriptor, HEAD_BYTES) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    finally:
        os.close(descriptor)


def _stored_heads(filesystem: AbstractFileSystem, files: Sequence[Entry]) -> list[bytes]:
    """All at once, as far as the storage's client does so; what fails is asked for again by itself."""
    paths = [file.path for file in files]
    ends = [min(HEAD_BYTES, file.size) for file in files]
    heads = filesystem.cat_ranges(paths, [0] * len(paths), ends, on_error="return")
    return [
        bytes(head) if isinstance(head, bytes | bytearray) else _stored_head(filesystem, path, end)
        for path, end, head in zip(paths, ends, heads, strict=True)
    ]


def _stored_head(filesystem: AbstractFileSystem, path: str, end: int) -> bytes:
    try:
        return bytes(storage(filesystem.cat_file, path, start=0, end=end))
    except (FileNotFoundError, PermissionError):
        return b""
