"""WebDataset tars whose samples' members do not stand together, as `tar` writes a folder in disk order.

The first names of a tar tell: where a key comes back after another, or some samples seem to lack an image
that others have; or the first names and the last, where `tar cf x.tar *.jpg *.txt` put all texts behind all
images. Then the whole tar is listed by its headers, its members grouped by key, and each read where it
stands. Memory is some hundred bytes a member; nothing is unpacked.
"""

import io
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from pipeline.formats.extensions import is_image
from pipeline.formats.tar import Member, tar_members

Key = tuple[str, str]
"""A sample's key, and a member's extension."""

Places = dict[str, Member]
"""A sample's members by extension."""


@dataclass
class Listing:
    """Samples in the order of their first members, and what broke the tar off, if anything did."""

    samples: list[tuple[str, Places]] = field(default_factory=list)
    broken: Exception | None = None


def out_of_order(names: Sequence[Key]) -> bool:
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


def of_one_kind(names: Sequence[Key]) -> bool:
    """Whether all these members are images, or none is."""
    return len({is_image(extension) for _, extension in names}) == 1


def list_samples(stream: BinaryIO, split: Callable[[str], Key | None]) -> Listing:
    """Group all members by key; a member whose extension the sample has already begins another sample."""
    listing, open_samples = Listing(), dict[str, Places]()
    stream.seek(0)
    try:
        for member, _ in tar_members(stream):
            named = split(member.name)
            if named is None:
                continue
            key, extension = named
            if extension in open_samples.get(key, {extension: None}):
                open_samples[key] = {}
                listing.samples.append((key, open_samples[key]))
            open_samples[key][extension] = member
    except (tarfile.TarError, OSError) as error:
        listing.broken = error
        listing.samples = _whole(listing.samples, stream.seek(0, io.SEEK_END))
    return listing


def _whole(samples: list[tuple[str, Places]], end: int) -> list[tuple[str, Places]]:
    """Without the member that the tar ends in."""
    inside = [
        (key, {extension: place for extension, place in places.items() if place.offset + place.size <= end})
        for key, places in samples
    ]
    return [(key, places) for key, places in inside if places]
