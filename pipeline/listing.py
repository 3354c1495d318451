"""Files below a folder of a storage, or that match a pattern; a request that fails is an error.

fsspec's own `glob`, `find` and `walk` take a folder they cannot list for an empty one: while an object store
is busy they give a part of an archive, or none, without a word.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
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


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder as its storage lists it: `name` in its folder, `path` in the filesystem, bytes, and
    what tells one version of a file from another (ETag, checksum, version or time of change; empty where the
    storage tells none).
    """

    name: str
    path: str
    size: int
    state: str
    is_folder: bool


_STATES = ("ETag", "etag", "md5Hash", "md5", "checksum", "blob_id", "sha", "content_md5", "version_id")
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified")


def entry_of(info: Mapping[str, Any]) -> Entry:
    """From what fsspec's `info` or detailed `ls` says of one path."""
    path = str(info["name"])
    if info.get("islink") and Path(path).exists():  # a link is what it points to
        target = Path(path).stat()
        info = {**info, "size": target.st_size, "mtime": target.st_mtime}
    told = next((info[key] for key in (*_STATES, *_TIMES) if info.get(key) not in (None, "")), "")
    return Entry(
        name=posixpath.basename(path.rstrip("/")),
        path=path.rstrip("/"),
        size=int(info.get("size") or 0),
        state=str(told).strip('"'),
        is_folder=info["type"] == "directory",
    )


def entries(filesystem: Any, folder: str) -> list[Entry]:
    """What lies in the folder itself, sorted by name; hidden ones too. Raises OSError."""
    listed = (entry_of(info) for info in storage(filesystem.ls, folder, detail=True))
    # an object store may hold a folder as a file in it
    return sorted((e for e in listed if e.path != folder.rstrip("/")), key=lambda entry: entry.name)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is none of the user's: `.cache`, `._photo.jpg`, `.DS_Store`."""
    return name.startswith(".")


def is_hidden_member(path: str) -> bool:
    """Whether any part of a path inside an archive is hidden, or macOS's own: `a/._b.jpg`, `__MACOSX/b`."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    return any(is_hidden(part) or part == "__MACOSX" for part in parts)


def entries_below(filesystem: Any, folder: str, depth: int | None = None) -> Iterator[Entry]:
    """All files in the folder and below it, at most `depth` levels down. Raises OSError."""
    for entry in entries(filesystem, folder):
        if not entry.is_folder:
            yield entry
        elif depth != 1:
            yield from entries_below(filesystem, entry.path, depth and depth - 1)


def files_below(filesystem: Any, folder: str, depth: int | None = None) -> Iterator[str]:
    """The paths of `entries_below`."""
    return (entry.path for entry in entries_below(filesystem, folder, depth))


def split_list(source: str) -> list[str]:
    """The parts of a list as webdataset writes it, `a.tar::b.tar`; a chain of fsspec's, such as
    `simplecache::s3://...`, is one.
    """
    parts = source.split("::")
    whole = any("/" not in part and "." not in part for part in parts) or parts[0].startswith(
        ("zip:", "tar:")
    )
    return [source] if whole else parts


def matching_files(filesystem: Any, pattern: str) -> list[str]:
    """The paths of `matching_entries`."""
    return [entry.path for entry in matching_entries(filesystem, pattern)]


def matching_entries(filesystem: Any, pattern: str) -> list[Entry]:
    """The files that match a path with `*`, `?`, `[...]` or `**`, sorted by path. Raises OSError."""
    folder = GLOB.split(pattern)[0].rpartition("/")[0]
    below = pattern.removeprefix(folder).lstrip("/")
    if file_kind(filesystem, folder) != "directory":
        return []
    depth = None if "**" in below else below.count("/") + 1
    matches = re.compile(glob_translate(pattern)).match
    found = (entry for entry in entries_below(filesystem, folder, depth) if matches(entry.path))
    return sorted(found, key=lambda entry: entry.path)
