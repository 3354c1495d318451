"""Files below a folder of a storage, or that match a pattern; a request that fails is an error.

fsspec's own `glob`, `find` and `walk` take a folder they cannot list for an empty one: while an object store
is busy they give a part of an archive, or none, without a word.
"""

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from braceexpand import braceexpand
from fsspec import AbstractFileSystem
from fsspec.utils import glob_translate

from pipeline.storage.files import is_local, is_s3, naming
from pipeline.storage.retries import StorageError, storage
from pipeline.storage.s3_listing import list_prefix
from pipeline.storage.urls import is_chained, scheme

GLOB = re.compile(r"[*?\[]")
PATTERN = re.compile(r"[*?\[{]")


def alternatives(pattern: str) -> list[str]:
    """The braces written out, each result once. Raises ValueError for one that is not closed."""
    return list(dict.fromkeys(braceexpand(pattern)))


def as_given(filesystem: AbstractFileSystem, source: str, path: str) -> str:
    """The path as whoever wrote `source` would write it: with protocol and archive, if that has them."""
    if is_chained(source):
        first, _, rest = source.partition("::")
        if scheme(first) is None:  # `simplecache`, whose paths are those of what it caches
            return f"{first}::{as_given(filesystem, rest, path)}"
        return f"{filesystem.unstrip_protocol(path)}::{rest}"
    return path if scheme(source) is None else str(filesystem.unstrip_protocol(path))


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder as its storage lists it: `name` in its folder, `path` in the filesystem, bytes, and
    what tells one version of a file from another (ETag, checksum, version or time of change; empty where the
    storage tells none). A link is what it points to, but one to a folder is no folder: `linked` is where that
    one is, all links followed.
    """

    name: str
    path: str
    size: int
    state: str
    is_folder: bool
    linked: str = ""


_STATES = ("ETag", "etag", "md5Hash", "md5", "checksum", "blob_id", "sha", "content_md5", "version_id")
_TIMES = ("mtime", "LastModified", "Last-Modified", "last_modified", "updated", "modified")


def entry_of(info: Mapping[str, Any]) -> Entry:
    """From what `pipeline.storage.files.file_info` or a listing says of one path."""
    is_folder = info["type"] == "directory"
    # `a//b` in an object store lies in a folder without a name, whose path is `a/`
    path = str(info["name"]).removesuffix("/") if is_folder else str(info["name"])
    told = next((info[key] for key in (*_STATES, *_TIMES) if info.get(key) not in (None, "")), "")
    return Entry(posixpath.basename(path), path, int(info.get("size") or 0), str(told).strip('"'), is_folder)


def entries(filesystem: AbstractFileSystem, folder: str) -> list[Entry]:
    """What lies in the folder itself, sorted by name; hidden ones too. Raises OSError.

    An object store may hold a file and a folder of one name: both are listed, the file first.
    """
    with naming(filesystem, folder):
        return sorted(_entries(filesystem, folder), key=lambda entry: (entry.name, entry.is_folder))


def _entries(filesystem: AbstractFileSystem, folder: str) -> list[Entry]:
    if is_local(filesystem):
        return storage(_local_entries, folder)
    if is_s3(filesystem) and folder:
        return [entry_of(info) for info in list_prefix(filesystem, folder)]
    found = [entry_of(info) for info in storage(filesystem.ls, folder, detail=True)]
    found = [entry for entry in found if entry.path != folder]  # some list the folder itself
    if any(not entry.name for entry in found):
        raise StorageError(
            "there are names with `//` in it, which cannot be listed here: rename these files, or name them "
            "one by one"
        )
    return found


def _local_entries(folder: str) -> list[Entry]:
    found = []
    with os.scandir(folder) as listed:
        for item in listed:
            try:
                status = item.stat()
            except OSError:  # removed meanwhile, or a link to nowhere: reading it will tell
                if not item.is_symlink():
                    continue
                status = item.stat(follow_symlinks=False)
            is_folder = item.is_dir(follow_symlinks=False)
            linked = os.path.realpath(item.path) if item.is_dir() and not is_folder else ""
            size = 0 if is_folder else status.st_size
            found.append(Entry(item.name, item.path, size, str(status.st_mtime), is_folder, linked))
    return found


_SYSTEM = ("thumbs.db", "desktop.ini", "ehthumbs.db")


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is none of the user's: `.cache`, `._photo.jpg`, `Thumbs.db`."""
    return name.startswith(".") or name.lower() in _SYSTEM


def is_hidden_member(path: str) -> bool:
    """Whether any part of a path inside an archive is hidden, or macOS's own: `a/._b.jpg`, `__MACOSX/b`."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    return any(is_hidden(part) or part == "__MACOSX" for part in parts)


def entries_below(
    filesystem: AbstractFileSystem, folder: str, depth: int | None = None, hidden: bool = False
) -> Iterator[Entry]:
    """All files in the folder and below it, at most `depth` levels down, which are then looked for through
    links too; `hidden` ones and those in hidden folders on demand. Raises OSError.
    """
    for entry in entries(filesystem, folder):
        if is_hidden(entry.name) and not hidden:
            continue
        if not (entry.is_folder or (entry.linked and depth)):
            yield entry
        elif depth != 1:
            yield from entries_below(filesystem, entry.path, depth and depth - 1, hidden)


def files_below(
    filesystem: AbstractFileSystem, folder: str, depth: int | None = None, hidden: bool = False
) -> Iterator[str]:
    """The paths of `entries_below`."""
    return (entry.path for entry in entries_below(filesystem, folder, depth, hidden))


def matching_entries(filesystem: AbstractFileSystem, pattern: str) -> list[Entry]:
    """The files that match a path with `*`, `?`, `[...]` or `**`, sorted by path. Raises OSError.

    A hidden name is matched by a part of the pattern that begins with a dot itself, as in a shell.
    """
    folder, slash, _ = GLOB.split(pattern)[0].rpartition("/")
    below = pattern[len(folder) + len(slash) :]
    dotted = [part for part in below.split("/") if is_hidden(part)]
    depth = None if "**" in below else below.count("/") + 1
    matches = re.compile(glob_translate(pattern)).match

    def is_wanted(entry: Entry) -> bool:
        parts = entry.path[len(folder) + len(slash) :].split("/")
        shown = all(not is_hidden(part) or any(fnmatchcase(part, d) for d in dotted) for part in parts)
        return shown and matches(entry.path) is not None

    top = folder or slash  # of a pattern in the root itself
    try:
        found = [entry for entry in entries_below(filesystem, top, depth, bool(dotted)) if is_wanted(entry)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found, key=lambda entry: entry.path)
