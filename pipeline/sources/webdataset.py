"""WebDataset tars: consecutive members that share a key (the path up to the first dot of the name) are a
sample.

A tar is read once, front to back, from any fsspec URL, and nothing is unpacked to disk. It must end as the
format says, in an empty block: an archive that was cut short yields its samples and then raises, where
Python's `tarfile` (and webdataset on top of it) would take a damaged header for the end and stay silent.
"""

import hashlib
import json
import posixpath
from collections.abc import Iterator
from typing import Any

from pipeline.files import locate, open_stream
from pipeline.sources.sample import IMAGE_EXTENSIONS, Sample, Shard, printable
from pipeline.sources.tar import tar_members, unpacked

_TEXT_EXTENSIONS = frozenset({"txt", "text", "cls"})


def read_webdataset(shard: Shard) -> Iterator[Sample]:
    """The samples of one tar. Raises `tarfile.ReadError` or OSError where the tar ends early or cannot be
    read.

    A sample without an image is an error row. Two samples with one key both get a row, the second as `key#2`.
    """
    prefix = shard.id.removesuffix(".gz").removesuffix(".tar")
    ids = _UniqueIds()
    for key, members in _samples(shard.url):
        yield _sample(ids.unique(f"{prefix}/{printable(key)}"), members)


def _samples(url: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key, and member contents by extension. What was read whole before the tar broke still counts."""
    key: str | None = None
    members: dict[str, bytes] = {}
    try:
        for member_key, extension, data in _members(url):
            if member_key != key or extension in members:
                if key is not None:
                    yield key, members
                key, members = member_key, {}
            members[extension] = data
    except Exception:
        if key is not None and _image_extension(members):
            yield key, members
        raise
    if key is not None:
        yield key, members


def _members(url: str) -> Iterator[tuple[str, str, bytes]]:
    with open_stream(*locate(url)) as stream:
        for member, read in tar_members(unpacked(stream, url), "r|*"):
            folder, name = posixpath.split(member.name)
            stem, dot, extension = name.partition(".")
            if not stem or not dot:  # hidden files have no stem
                continue
            wanted = extension.lower().rsplit(".", 1)[-1] in IMAGE_EXTENSIONS | _TEXT_EXTENSIONS | {"json"}
            yield posixpath.join(folder, stem), extension.lower(), read() if wanted else b""


def _sample(image_id: str, members: dict[str, bytes]) -> Sample:
    extension = _image_extension(members)
    metadata = _metadata(members)
    if extension is None:
        found = ", ".join(sorted(members)) or "nothing"
        return Sample(
            image_id, metadata=metadata, error=printable(f"the sample holds no image, only: {found}")
        )
    image = members[extension]
    return Sample(image_id, len(image), lambda: image, metadata)


def _image_extension(members: dict[str, bytes]) -> str | None:
    """The member to caption: `key.jpg` before `key.something.jpg`, else the first."""
    images = [extension for extension in members if extension.rsplit(".", 1)[-1] in IMAGE_EXTENSIONS]
    return min(images, key=lambda extension: "." in extension, default=None)


def _metadata(members: dict[str, bytes]) -> str | None:
    """The sample's JSON, untouched; text members join it under their extension, unless that key is taken."""
    texts = {
        extension: data.decode("utf-8", "replace")
        for extension, data in members.items()
        if extension in _TEXT_EXTENSIONS
    }
    raw = members.get("json")
    if raw is None:
        return _dump(texts) if texts else None
    text = raw.decode("utf-8", "replace")
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
