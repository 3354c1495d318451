"""A folder of images, with all its subfolders: every image file is a sample, its path relative to the folder
the id.

Files are taken in sorted order, and every `FILES_A_SHARD` of them are a shard, so that one big folder is read
by many tasks. A shard knows only its first and last file and lists the folders between them again when it is
read: the driver never holds the names of a whole archive. Hidden files, links to folders and files that are
not images by their extension are left out.
"""

import hashlib
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.files import locate, read_file
from pipeline.redact import printable
from pipeline.retries import storage
from pipeline.sources.sample import IMAGE_EXTENSIONS, Sample, Shard

FILES_A_SHARD = 4096

# A path as its parts. Folders sort among files by name, and a folder's files stay together.
_Parts = tuple[str, ...]


@dataclass(frozen=True)
class FolderPlan:
    """The shards of a folder, how many images they hold, and a fingerprint of the names."""

    shards: list[Shard]
    images: int
    listing: str


def plan_folder(url: str, files_a_shard: int = FILES_A_SHARD) -> FolderPlan:
    """List the folder once. Shards are numbered in order, and hold `files_a_shard` files each but for the
    last.
    """
    filesystem, root = locate(url)
    name = posixpath.basename(root.rstrip("/")) or "images"
    digest = hashlib.sha256()
    bounds: list[tuple[str, str]] = []
    images, path, first = 0, "", ""
    for parts, _ in _walk(filesystem, root, (), None, None):
        if images and images % files_a_shard == 0:
            bounds.append((first, path))
        path = "/".join(parts)
        first = path if images % files_a_shard == 0 else first
        digest.update(path.encode("utf-8", "surrogateescape") + b"\0")
        images += 1
    if images:
        bounds.append((first, path))
    shards = [
        Shard(f"{printable(name)}-{number:06d}", "folder", url, *files) for number, files in enumerate(bounds)
    ]
    return FolderPlan(shards, images, digest.hexdigest()[:16])


def read_folder(shard: Shard) -> Iterator[Sample]:
    """The images between the shard's first and last file, read one at a time when loaded."""
    filesystem, root = locate(shard.url)
    first, last = tuple(shard.first.split("/")), tuple(shard.last.split("/"))
    for parts, size in _walk(filesystem, root, (), first, last):
        path = posixpath.join(root, *parts)
        yield Sample("/".join(parts), size, partial(read_file, filesystem, path))


def _walk(
    filesystem: Any, root: str, folder: _Parts, first: _Parts | None, last: _Parts | None
) -> Iterator[tuple[_Parts, int]]:
    """Image files below `folder` in sorted order, each with its size, entering only folders that reach
    [first, last].
    """
    entries = storage(filesystem.ls, posixpath.join(root, *folder), detail=True)
    named = {posixpath.basename(entry["name"].rstrip("/")): entry for entry in entries}
    for name in sorted(named):
        entry, parts = named[name], (*folder, name)
        before = first is not None and parts < first[: len(parts)]
        after = last is not None and parts > last[: len(parts)]
        if before or after or not name or name.startswith("."):
            continue
        if entry["type"] == "directory":
            yield from _walk(filesystem, root, parts, first, last)
        elif _is_image(name) and not (entry.get("islink") and filesystem.isdir(entry["name"])):
            yield parts, int(entry.get("size") or 0)


def _is_image(name: str) -> bool:
    return "." in name and name.rpartition(".")[2].lower() in IMAGE_EXTENSIONS
