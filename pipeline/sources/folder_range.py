"""A shard of a folder of images: which paths it holds, and what tells one state of them from another."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Self

from pipeline.sources.shard import ShardArgs
from pipeline.sources.spans import Parts, Span
from pipeline.sources.tree import Directory
from pipeline.storage.listing import Entry

FILES_A_SHARD = 4096


@dataclass(frozen=True)
class FolderArgs(ShardArgs):
    """`first` and `last` bound the shard's files, `last` excluded, as paths relative to the folder; empty for
    its first file, and for the end. Between them are `holes`, bounded in the same way.
    """

    first: str = ""
    last: str = ""
    holes: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, recorded: dict[str, Any]) -> Self:
        args = super().of(recorded)
        return replace(args, holes=tuple((first, last) for first, last in args.holes))

    def begins(self, shard_id: str) -> str:
        return self.first

    @property
    def span(self) -> Span:
        """As the tree is walked."""
        return Span(_parts(self.first), _parts(self.last) or None, tuple(map(_hole, self.holes)))


def _parts(path: str) -> Parts:
    return tuple(path.split("/")) if path else ()


def _hole(bounds: tuple[str, str]) -> Span:
    return Span(_parts(bounds[0]), _parts(bounds[1]) or None)


class ShardDigest:
    """Counts a shard's images and tells one state of them, their texts and tables, from another."""

    def __init__(self) -> None:
        self.images = self.size = 0
        self._digest = hashlib.sha256()

    @property
    def state(self) -> str:
        return self._digest.hexdigest()[:32]

    def add(self, directory: Directory, image: Entry) -> bool:
        """Returns whether there is more than the image alone: texts, or a table."""
        self.images += 1
        self.size += image.size
        parts: Parts = (*directory.parts, image.name)
        self._digest.update("/".join(parts).encode("utf-8", "surrogateescape") + b"\0")
        described = list(directory.texts_of(image.name).values())
        above: Directory | None = directory
        while above is not None:
            described += above.tables
            above = above.parent
        for entry in (image, *described):
            self._digest.update(f"{entry.size}\0{entry.state}\0".encode())
        return bool(described)
