"""WebDataset tars: consecutive members that share a key (the path up to the first dot of the name) are a
sample.

A tar is read once, front to back, from any fsspec URL, and nothing is unpacked to disk. It must end as the
format says, in an empty block: an archive that was cut short yields its samples and then raises, where
Python's `tarfile` (and webdataset on top of it) would take a damaged header for the end and stay silent.
"""

import hashlib
import json
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import fsspec

from pipeline.sources.sample import IMAGE_EXTENSIONS, MAX_BYTES, Sample, Shard, printable
from pipeline.sources.tar import MemberError, tar_members

_TEXT_EXTENSIONS = frozenset({"txt", "text", "cls"})
_MAX_TEXT = 4 << 20  # bytes of a text or JSON member: parsed, JSON may take twenty times its size


@dataclass(frozen=True)
class _Member:
    """What a sample knows of a member: its bytes, if it is wanted, or why it has none."""

    content: bytes = b""
    problem: str | None = None


_Members = dict[str, _Member]


def read_webdataset(shard: Shard, max_bytes: int = MAX_BYTES) -> Iterator[Sample]:
    """The samples of one tar. Raises `tarfile.ReadError` or OSError where the tar ends early or cannot be
    read.

    A sample without an image is an error row, and so is one with a member that is no plain file, or with
    members of more than `max_bytes` together, which are not read. Two samples with one key both get a row,
    the second as `key#2`.
    """
    prefix = shard.id.removesuffix(".gz").removesuffix(".tar")
    ids = _UniqueIds()
    for key, members in _samples(shard.url, max_bytes):
        yield _sample(ids.unique(f"{prefix}/{printable(key)}"), members)


def _samples(url: str, max_bytes: int) -> Iterator[tuple[str, _Members]]:
    """Key, and members by extension. What was read whole before the tar broke still counts."""
    key: str | None = None
    members: _Members = {}
    total = 0
    try:
        for member_key, extension, size, read in _members(url):
            if member_key != key or extension in members:
                if key is not None:
                    yield key, members
                key, members, total = member_key, {}, 0
            total += 512 + len(member_key) + len(extension)  # what a member takes without its content
            if total > max_bytes:
                members[""] = _Member(problem=f"the sample has {len(members)} members and more (max_bytes)")
                continue
            content = _content(
                f"{posixpath.basename(key)}.{extension}", extension, size, read, max_bytes - total
            )
            members[extension] = content
            total += len(content.content)
    except Exception:
        if key is not None and _image_extension(members):
            yield key, members
        raise
    if key is not None:
        yield key, members


def _content(name: str, extension: str, size: int, read: Callable[[], bytes], room: int) -> _Member:
    if not _is_wanted(extension):
        return _Member()
    limit, setting = (room, " (max_bytes)") if _is_image(extension) else (min(room, _MAX_TEXT), "")
    if size > limit:
        return _Member(
            problem=f"{name[-100:]} has {size} bytes, more than the limit{setting}; it was not read"
        )
    try:
        return _Member(read())
    except MemberError as error:
        return _Member(problem=str(error))


def _members(url: str) -> Iterator[tuple[str, str, int, Callable[[], bytes]]]:
    with fsspec.open(url, "rb") as stream:
        for member, read in tar_members(stream, "r|*"):
            folder, name = posixpath.split(member.name)
            stem, dot, extension = name.partition(".")
            if not stem or not dot:  # hidden files have no stem
                continue
            yield posixpath.join(folder, stem), extension.lower(), member.size, read


def _is_image(extension: str) -> bool:
    return extension.rsplit(".", 1)[-1] in IMAGE_EXTENSIONS


def _is_wanted(extension: str) -> bool:
    return _is_image(extension) or extension.rsplit(".", 1)[-1] in _TEXT_EXTENSIONS | {"json"}


def _sample(image_id: str, members: _Members) -> Sample:
    extension = _image_extension(members)
    metadata = _metadata(members)
    size = len(metadata or "") + len(image_id)
    problem = next((member.problem for member in members.values() if member.problem), None)
    if problem is None and extension is None:
        found = ", ".join(sorted(members)) or "nothing"
        problem = f"the sample holds no image, only: {found[:300]}"
    if problem is not None or extension is None:
        return Sample(image_id, size, metadata=metadata, error=printable(problem or ""))
    image = members[extension].content
    return Sample(image_id, size + len(image), lambda: image, metadata)


def _image_extension(members: _Members) -> str | None:
    """The member to caption: `key.jpg` before `key.something.jpg`, else the first."""
    return min(filter(_is_image, members), key=lambda extension: "." in extension, default=None)


def _metadata(members: _Members) -> str | None:
    """The sample's JSON, untouched, NaN and doubled keys included; text members are put in front of it under
    their extension, unless that key is taken.
    """
    texts = {
        extension: member.content.decode("utf-8", "replace")
        for extension, member in members.items()
        if extension in _TEXT_EXTENSIONS and not member.problem
    }
    if "json" not in members or members["json"].problem:
        return _dump(texts) if texts else None
    text = members["json"].content.decode("utf-8", "replace")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return _dump({**texts, "json": text})
    if not isinstance(fields, dict):
        return _dump({**texts, "json": fields})
    new = {name: value for name, value in texts.items() if name not in fields}
    if not new or not fields:
        return _dump(new) if new else text
    return f"{_dump(new)[:-1]}, {text.strip()[1:]}"


def _dump(value: dict[str, Any]) -> str:
    # a lone surrogate, which JSON allows and UTF-8 does not, goes back to the \uXXXX it came from
    return printable(json.dumps(value, ensure_ascii=False))


class _UniqueIds:
    """Numbers the repeats of a key. Holds a hash a sample, about a hundred bytes, for one shard at a time."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def unique(self, image_id: str) -> str:
        candidate, number = image_id, 1
        while (digest := hashlib.blake2b(candidate.encode(), digest_size=8).digest()) in self._seen:
            number += 1
            candidate = f"{image_id}#{number}"
        self._seen.add(digest)
        return candidate
