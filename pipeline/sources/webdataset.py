"""WebDataset tars: members that share a key (the path up to the first dot of the name) are a sample.

A tar is read once, front to back, from any fsspec URL, and nothing is unpacked to disk; one whose samples'
members do not stand together is read through its headers first (`unordered.py`). It must end as the format
says, in an empty block: an archive that was cut short yields its samples and then raises, where Python's
`tarfile` (and webdataset on top of it) would take a damaged header for the end and stay silent.
"""

import json
import posixpath
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, BinaryIO

from pipeline.files import locate, open_stream
from pipeline.sources.sample import IMAGE_EXTENSIONS, Sample, Shard, printable
from pipeline.sources.tar import tar_members, unpacked
from pipeline.sources.unique import UniqueIds
from pipeline.sources.unordered import HEAD, list_samples, out_of_order

_TEXT_EXTENSIONS = frozenset({"txt", "text", "cls"})
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")


@dataclass(frozen=True)
class _Member:
    """A member's size, and what reads it."""

    size: int
    read: Callable[[], bytes]


_Members = dict[str, _Member]


def read_webdataset(shard: Shard) -> Iterator[Sample]:
    """The samples of one tar. Raises `tarfile.ReadError` or OSError where the tar ends early or cannot be
    read.

    Of a sample with several images each is a row, `key.jpg` and `key.mask.png`. A sample without an image is
    an error row. Two samples with one key both get a row, the second as `key#2`.
    """
    prefix = tar_stem(shard.id)
    ids = UniqueIds()
    for key, members in _samples(shard.url):
        yield from _rows(ids, f"{prefix}/{printable(key)}", members)


def tar_stem(name: str) -> str:
    """A tar's name without the endings that say what it is."""
    return re.sub(r"(\.tar)?(\.(gz|zst))?$|\.tgz$", "", name, flags=re.IGNORECASE)


def _samples(url: str) -> Iterator[tuple[str, _Members]]:
    """Key, and member contents by extension. What was read whole before the tar broke still counts."""
    with open_stream(*locate(url)) as stream:
        if not _out_of_order(stream):
            yield from _together(stream, url)
            return
        listing = list_samples(stream, _split)
        for key, places in listing.samples:
            if listing.broken and not any(map(_is_image, places)):
                continue  # its image was in the part that is missing
            yield key, {e: _Member(place.size, partial(place.read, stream)) for e, place in places.items()}
        if listing.broken:
            raise listing.broken


def _out_of_order(stream: BinaryIO) -> bool:
    """Whether to read by the headers; what cannot be read here and there is read front to back."""
    if not stream.seekable():
        return False
    packed = stream.read(6).startswith(_PACKED)
    stream.seek(0)
    if packed:
        return False
    names: list[tuple[str, str]] = []
    with suppress(tarfile.TarError, OSError):
        for member, _ in islice(tar_members(stream, "r|"), HEAD):
            names += [named] if (named := _split(member.name)) else []
    stream.seek(0)
    return out_of_order(names, _is_image)


def _together(stream: BinaryIO, url: str) -> Iterator[tuple[str, _Members]]:
    key: str | None = None
    members: _Members = {}
    try:
        for member, read in tar_members(unpacked(stream, url), "r|*"):
            named = _split(member.name)
            if named is None:
                continue
            if named[0] != key or named[1] in members:
                if key is not None:
                    yield key, members
                key, members = named[0], {}
            content = read() if _is_wanted(named[1]) else b""
            members[named[1]] = _Member(len(content), partial(bytes, content))
    except Exception:
        if key is not None and _images(members):
            yield key, members
        raise
    if key is not None:
        yield key, members


def _split(name: str) -> tuple[str, str] | None:
    """Key and extension; None for a hidden file, which has no stem, and one without extension."""
    folder, base = posixpath.split(name)
    stem, dot, extension = base.partition(".")
    return (posixpath.join(folder, stem), extension.lower()) if stem and dot else None


def _is_image(extension: str) -> bool:
    return extension.rsplit(".", 1)[-1] in IMAGE_EXTENSIONS


def _is_wanted(extension: str) -> bool:
    return _is_image(extension) or extension.rsplit(".", 1)[-1] in _TEXT_EXTENSIONS | {"json"}


def _rows(ids: UniqueIds, image_id: str, members: _Members) -> Iterator[Sample]:
    images = _images(members)
    metadata = _metadata(members)
    if not images:
        found = ", ".join(sorted(members)) or "nothing"
        error = f"the sample holds no image, only: {found}"
        if ids.seen(image_id):
            error += "; other members of it stand elsewhere in the tar: write the tar sorted by name"
        yield Sample(ids.unique(image_id), metadata=metadata, error=printable(error))
    for extension, image in images.items():
        name = image_id if len(images) == 1 else f"{image_id}.{printable(extension)}"
        yield Sample(ids.unique(name), image.size, image.read, metadata)


def _images(members: _Members) -> _Members:
    return {extension: member for extension, member in members.items() if _is_image(extension)}


def _metadata(members: _Members) -> str | None:
    """The sample's JSON, untouched; text members join it under their extension, unless that key is taken."""
    texts = {
        extension: member.read().decode("utf-8", "replace")
        for extension, member in members.items()
        if extension in _TEXT_EXTENSIONS
    }
    if "json" not in members:
        return _dump(texts) if texts else None
    text = members["json"].read().decode("utf-8", "replace")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return _dump({**texts, "json": text})
    if not isinstance(fields, dict):
        return _dump({**texts, "json": fields})
    return _dump({**texts, **fields}) if texts.keys() - fields.keys() else text


def _dump(value: dict[str, Any]) -> str:
    # a lone surrogate, which JSON allows and UTF-8 does not, goes back to the \uXXXX it came from
    return printable(json.dumps(value, ensure_ascii=False))
