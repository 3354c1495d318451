"""WebDataset tars: members whose names share a key (`pipeline.sources.keys`) are a sample.

A tar is read once, front to back, from any fsspec URL, and nothing is unpacked to disk; one whose samples'
members do not stand together is read through its headers first (`unordered.py`). It must end as the format
says, in an empty block: an archive that was cut short yields its samples and then raises, where Python's
`tarfile` (and webdataset on top of it) would take a damaged header for the end and stay silent.
"""

import io
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from pipeline.formats.tar import last_names, tar_members
from pipeline.formats.unpack import unpacked
from pipeline.sources.keys import key_rule, split_name
from pipeline.sources.members import SampleMembers
from pipeline.sources.options import KeyRule, KeySetting, SourceOptions
from pipeline.sources.sample import MAX_BYTES, Sample
from pipeline.sources.shard import Shard, ShardArgs
from pipeline.sources.source import Location, Planned, Source, whole_file
from pipeline.sources.unique import UniqueIds
from pipeline.sources.unordered import list_samples, of_one_kind, out_of_order
from pipeline.storage.files import locate, open_stream
from pipeline.storage.listing import is_hidden_member
from pipeline.storage.look_up import MISSING
from pipeline.storage.redact import printable

_HEAD = 256  # names by which a tar is judged
_HEAD_BYTES = 32 << 20  # that are read of one that cannot be read here and there, to see its first names

_Splitter = Callable[[str], tuple[str, str] | None]


TARS = (
    ".tar",
    ".tgz",
    ".tbz2",
    ".txz",
    ".tzst",
    *(f".tar.{packed}" for packed in ["gz", "bz2", "xz", "zst", "lz4"]),
)


def tar_stem(name: str) -> str:
    """A tar's name without the endings that say what it is."""
    return re.sub(r"(\.tar)?(\.(gz|bz2|xz|zst|lz4))?$|\.(tgz|tbz2|txz|tzst)$", "", name, flags=re.IGNORECASE)


@dataclass(frozen=True)
class TarArgs(ShardArgs):
    keys: KeySetting = "auto"


class WebDatasetTars(Source[TarArgs]):
    """Each tar is a shard."""

    name = "webdataset"
    what = "tar"
    endings = TARS
    in_folders = True
    args = TarArgs
    checks_state = True

    def plan(self, location: Location, options: SourceOptions, pinned: Sequence[Shard[TarArgs]]) -> Planned:
        return Planned([whole_file(self.name, location, TarArgs(options.keys))])

    def in_words(self, planned: Sequence[Planned]) -> str:
        """With how names split, as the first tar that is there shows; each tar is judged by its own."""
        words = super().in_words(planned)
        tars = [shard for one in planned for shard in one.shards if shard.size and shard.state != MISSING]
        for tar in tars[:1]:
            with suppress(OSError):
                return f"{words} (names in {tar.id}: key up to the {key_rule_of(tar).replace('-', ' ')})"
        return words

    def read(self, shard: Shard[TarArgs], max_bytes: int) -> Iterator[Sample]:
        return read_webdataset(shard, max_bytes)


def read_webdataset(shard: Shard[TarArgs], max_bytes: int = MAX_BYTES) -> Iterator[Sample]:
    """The samples of one tar. Raises `tarfile.ReadError` or OSError where the tar ends early or cannot be
    read.

    Of a sample with several images each is a row, `key.jpg` and `key.mask.png`. A sample without an image is
    an error row, and so is an image that is no plain file, or of more than `max_bytes`; it is not read. Two
    samples with one key both get a row, the second as `key#2`.
    """
    prefix = shard.prefix or tar_stem(shard.id)
    ids = UniqueIds()
    for members in _samples(shard, max_bytes):
        yield from _rows(ids, f"{prefix}/{printable(members.key)}", members)


def key_rule_of(shard: Shard[TarArgs]) -> KeyRule:
    """How the names of this tar's members split, as it is read. Raises OSError where it is out of reach."""
    if shard.args.keys != "auto":
        return shard.args.keys
    with open_stream(*locate(shard.url)) as stored:
        stream = unpacked(stored)
        return key_rule(_first_names(stream, _seeks(stored, stream)))


def _samples(shard: Shard[TarArgs], max_bytes: int) -> Iterator[SampleMembers]:
    """What was read whole before the tar broke still counts."""
    with open_stream(*locate(shard.url)) as stored:
        stream = unpacked(stored)
        if _seeks(stored, stream):
            names = _first_names(stored, seeks=True)
            split = partial(_split, rule=key_rule(names) if shard.args.keys == "auto" else shard.args.keys)
            first = [named for name in names if (named := split(name))]
            apart = out_of_order(first)
            if not apart and len(names) == _HEAD and of_one_kind(first):  # and how does it end?
                last = [named for name in last_names(stored) if (named := split(name))]
                apart = bool(last) and not of_one_kind([*first, *last])
            stored.seek(0)
            yield from (_apart if apart else _together)(stored, split, max_bytes)
            return
        # from here on its bytes come but once: its names were looked at by themselves
        split = partial(_split, rule=key_rule_of(shard))
        yield from _together(stream, split, max_bytes)


def _split(name: str, rule: KeyRule) -> tuple[str, str] | None:
    return None if is_hidden_member(name) else split_name(name, rule)


def _seeks(stored: io.BufferedReader, stream: Any) -> bool:
    return stream is stored and stored.seekable()


def _first_names(stream: Any, seeks: bool) -> list[str]:
    """Of the members that a tar begins with; of one that breaks among them, those before."""
    names: list[str] = []
    with suppress(tarfile.TarError):  # whoever reads the tar to there says it
        for member, _ in tar_members(stream):
            names.append(member.name)
            if len(names) == _HEAD or (member.offset > _HEAD_BYTES and not seeks):
                break
    return names


def _apart(stream: BinaryIO, split: _Splitter, max_bytes: int) -> Iterator[SampleMembers]:
    listing = list_samples(stream, split)
    for key, places in listing.samples:
        members = SampleMembers(key, max_bytes)
        for extension, place in places.items():
            read = partial(place.read, stream)
            members.add(extension, place.size, read, later=place.refusal is None)
        if members.images or not listing.broken:  # else its image was in the part that is missing
            yield members
    if listing.broken:
        raise listing.broken


def _together(stream: Any, split: _Splitter, max_bytes: int) -> Iterator[SampleMembers]:
    members: SampleMembers | None = None
    try:
        for member, read in tar_members(stream):
            named = split(member.name)
            if named is None:
                continue
            key, extension = named
            if members is None or key != members.key or extension in members:
                if members is not None:
                    yield members
                members = SampleMembers(key, max_bytes)
            elif not members.has_room(extension, member.size):
                if members.images:
                    yield members
                members = members.continued()
            members.add(extension, member.size, read)
    except Exception:
        if members is not None and members.images:
            yield members
        raise
    if members is not None:
        yield members


def _rows(ids: UniqueIds, image_id: str, members: SampleMembers) -> Iterator[Sample]:
    images, metadata = members.images, members.metadata()
    size = len(metadata or "") + len(image_id)
    if not images and not members.is_continuation and not members.is_bare:
        error = f"the sample holds no image, only: {members.names}"
        if ids.seen(image_id):
            error += "; other members of it stand elsewhere in the tar: write the tar sorted by name"
        yield Sample(ids.unique(image_id), size, metadata=metadata, error=printable(error))
    alone = len(images) == 1 and not members.is_continuation
    for extension, image in images.items():
        tag = f".{printable(extension)}" if extension else ""
        name = ids.unique(image_id if alone else image_id + tag)
        if image.problem:
            yield Sample(name, size, metadata=metadata, error=printable(image.problem))
        else:
            yield Sample(name, size + image.size, image.read, metadata)
