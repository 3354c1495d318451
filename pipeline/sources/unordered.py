"""WebDataset tars whose samples' members do not stand together, as `tar` writes a folder in disk order.

The first names of a tar tell: where a key comes back after another, or some samples seem to lack an image
that others have, the whole tar is listed by its headers, its members grouped by key, and each read where it
stands. Memory is some hundred bytes a member; nothing is unpacked.
"""

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from pipeline.sources.tar import StrictTarInfo

HEAD = 256

Key = tuple[str, str]
"""A sample's key, and a member's extension."""


@dataclass
class Place:
    """Where a member's bytes are."""

    offset: int
    size: int

    def read(self, stream: BinaryIO) -> bytes:
        stream.seek(self.offset)
        data = stream.read(self.size)
        if len(data) != self.size:
            raise tarfile.ReadError("unexpected end of data")
        return data


@dataclass
class Listing:
    """Samples in the order of their first members, and what broke the tar off, if anything did."""

    samples: list[tuple[str, dict[str, Place]]] = field(default_factory=list)
    broken: Exception | None = None


def out_of_order(names: list[Key], is_image: Callable[[str], bool]) -> bool:
    """Whether a tar that begins with these members has samples that do not stand together."""
    groups: list[tuple[str, set[str]]] = []
    for key, extension in names:
        if not groups or groups[-1][0] != key:
            groups.append((key, set()))
        groups[-1][1].add(extension)
    if len({key for key, _ in groups}) < len(groups):
        return any(len({e for k, e in names if k == key}) > len(found) for key, found in groups)
    whole = groups[:-1]  # the last may go on
    with_image = sum(any(map(is_image, found)) for _, found in whole)
    return 0 < with_image < len(whole)


def list_samples(stream: BinaryIO, split: Callable[[str], Key | None]) -> Listing:
    """Group all members by key; a member whose extension the sample has already begins another sample."""
    listing, open_samples = Listing(), dict[str, dict[str, Place]]()
    stream.seek(0)
    try:
        for member in _headers(stream):
            named = split(member.name) if member.isreg() else None
            if named is None:
                continue
            key, extension = named
            if extension in open_samples.get(key, {extension: None}):
                open_samples[key] = {}
                listing.samples.append((key, open_samples[key]))
            open_samples[key][extension] = Place(member.offset_data, member.size)
    except (tarfile.TarError, OSError) as error:
        listing.broken = error
        listing.samples = _whole(listing.samples, stream.seek(0, io.SEEK_END))
    return listing


def _whole(samples: list[tuple[str, dict[str, Place]]], end: int) -> list[tuple[str, dict[str, Place]]]:
    """Without the member that the tar ends in."""
    inside = [
        (key, {extension: place for extension, place in places.items() if place.offset + place.size <= end})
        for key, places in samples
    ]
    return [(key, places) for key, places in inside if places]


def _headers(stream: BinaryIO) -> Iterator[tarfile.TarInfo]:
    with tarfile.open(fileobj=stream, mode="r:", tarinfo=StrictTarInfo, errors="surrogateescape") as tar:
        for member in tar:
            tar.members = []  # type: ignore[attr-defined]
            yield member
