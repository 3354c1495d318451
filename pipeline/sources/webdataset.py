"""WebDataset tars: members that share a key (the path up to the first dot of the name) are a sample.

A tar is read once, front to back, from any fsspec URL, and nothing is unpacked to disk; one whose samples'
members do not stand together is read through its headers first (`unordered.py`). It must end as the format
says, in an empty block: an archive that was cut short yields its samples and then raises, where Python's
`tarfile` (and webdataset on top of it) would take a damaged header for the end and stay silent.
"""

import posixpath
import re
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, BinaryIO

from pipeline.files import locate, open_stream
from pipeline.redact import printable
from pipeline.sources.members import SampleMembers, is_image
from pipeline.sources.sample import MAX_BYTES, Sample, Shard
from pipeline.sources.tar import tar_members, unpacked
from pipeline.sources.unique import UniqueIds
from pipeline.sources.unordered import HEAD, list_samples, out_of_order


def read_webdataset(shard: Shard, max_bytes: int = MAX_BYTES) -> Iterator[Sample]:
    """The samples of one tar. Raises `tarfile.ReadError` or OSError where the tar ends early or cannot be
    read.

    Of a sample with several images each is a row, `key.jpg` and `key.mask.png`. A sample without an image is
    an error row, and so is an image that is no plain file, or is of more than what `max_bytes` leaves for it
    beside the other members; it is not read. Two samples with one key both get a row, the second as `key#2`.
    """
    prefix = tar_stem(shard.id)
    ids = UniqueIds()
    for members in _samples(shard.url, max_bytes):
        yield from _rows(ids, f"{prefix}/{printable(members.key)}", members)


def tar_stem(name: str) -> str:
    """A tar's name without the endings that say what it is."""
    return re.sub(r"(\.tar)?(\.(gz|zst))?$|\.tgz$", "", name, flags=re.IGNORECASE)


def _samples(url: str, max_bytes: int) -> Iterator[SampleMembers]:
    """What was read whole before the tar broke still counts."""
    with open_stream(*locate(url)) as stored:
        stream = unpacked(stored)
        seekable = stream is stored and stored.seekable()
        if seekable and _out_of_order(stored):
            yield from _apart(stored, max_bytes)
        else:
            yield from _together(stream, max_bytes)


def _out_of_order(stream: BinaryIO) -> bool:
    """Whether to read by the headers; a tar that breaks within the first is read front to back."""
    names: list[tuple[str, str]] = []
    with suppress(tarfile.TarError, OSError):
        for member, _ in islice(tar_members(stream), HEAD):
            names += [named] if (named := _split(member.name)) else []
    stream.seek(0)
    return out_of_order(names, is_image)


def _apart(stream: BinaryIO, max_bytes: int) -> Iterator[SampleMembers]:
    listing = list_samples(stream, _split)
    for key, places in listing.samples:
        if listing.broken and not any(map(is_image, places)):
            continue  # its image was in the part that is missing
        members = SampleMembers(key, max_bytes)
        for extension, place in places.items():
            read = partial(place.read, stream)
            members.add(extension, place.size, read, later=place.refusal is None)
        yield members
    if listing.broken:
        raise listing.broken


def _together(stream: Any, max_bytes: int) -> Iterator[SampleMembers]:
    members: SampleMembers | None = None
    try:
        for member, read in tar_members(stream):
            named = _split(member.name)
            if named is None:
                continue
            key, extension = named
            if members is None or key != members.key or extension in members:
                if members is not None:
                    yield members
                members = SampleMembers(key, max_bytes)
            members.add(extension, member.size, read)
    except Exception:
        if members is not None and members.images:
            yield members
        raise
    if members is not None:
        yield members


def _split(name: str) -> tuple[str, str] | None:
    """Key and extension; None for a hidden file, which has no stem, and one without extension."""
    folder, base = posixpath.split(name)
    stem, dot, extension = base.partition(".")
    return (posixpath.join(folder, stem), extension.lower()) if stem and dot else None


def _rows(ids: UniqueIds, image_id: str, members: SampleMembers) -> Iterator[Sample]:
    images, metadata, problem = members.images, members.metadata(), members.problem
    size = len(metadata or "") + len(image_id)
    if not images:
        error = problem or f"the sample holds no image, only: {members.names}"
        if not problem and ids.seen(image_id):
            error += "; other members of it stand elsewhere in the tar: write the tar sorted by name"
        yield Sample(ids.unique(image_id), size, metadata=metadata, error=printable(error))
    for extension, image in images.items():
        name = ids.unique(image_id if len(images) == 1 else f"{image_id}.{printable(extension)}")
        if why := problem or image.problem:
            yield Sample(name, size, metadata=metadata, error=printable(why))
        else:
            yield Sample(name, size + image.size, image.read, metadata)
