"""Files below a folder of a storage, or that match a pattern; a request that fails is an error.

fsspec's own `glob`, `find` and `walk` take a folder they cannot list for an empty one: while an object store
is busy they give a part of an archive, or none, without a word.
"""

import re
from collections.abc import Iterator
from typing import Any

from braceexpand import braceexpand
from fsspec.utils import glob_translate

from pipeline.files import file_kind
from pipeline.retries import storage

GLOB = re.compile(r"[*?\[]")
PATTERN = re.compile(r"[*?\[{]")
WEB = ("http://", "https://")


def alternatives(pattern: str) -> list[str]:
    """The braces written out, each result once. Raises ValueError for one that is not closed."""
    return list(dict.fromkeys(braceexpand(pattern)))


def as_given(filesystem: Any, source: str, path: str) -> str:
    """The path as whoever wrote `source` would write it: with protocol and archive, if that has them."""
    if "://" not in source:
        return path
    _, chained, archive = source.partition("::")
    return f"{filesystem.unstrip_protocol(path)}{chained}{archive}"


def files_below(filesystem: Any, folder: str, depth: int | None = None) -> Iterator[str]:
    """Paths of all files in the folder and below it, at most `depth` levels down. Raises OSError."""
    for entry in storage(filesystem.ls, folder, detail=True):
        path = entry["name"].rstrip("/")
        if entry["type"] != "directory":
            yield path
        elif depth != 1 and path != folder.rstrip("/"):  # an object store may hold a folder as a file in it
            yield from files_below(filesystem, path, depth and depth - 1)


def matching_files(filesystem: Any, pattern: str) -> list[str]:
    """Paths of the files that match a path with `*`, `?`, `[...]` or `**`, sorted. Raises OSError."""
    folder = GLOB.split(pattern)[0].rpartition("/")[0]
    below = pattern.removeprefix(folder).lstrip("/")
    if file_kind(filesystem, folder) != "directory":
        return []
    depth = None if "**" in below else below.count("/") + 1
    matches = re.compile(glob_translate(pattern)).match
    return sorted(path for path in files_below(filesystem, folder, depth) if matches(path))
