"""Images that a manifest (Parquet, COCO) names by path or URL: which of them may be read, and reading them.

A relative path is one below the root, which it never leaves. An absolute path is what it says, in a local
manifest without --image-root; with one it must lie below it. A URL may be http(s), or of the manifest's own
storage; a local manifest, which is the user's, may name any object store. Links below the root are followed,
as in a folder of images: who made the folder made them. What may not be read is refused by its name alone,
whether or not it is there.
"""

import os
import posixpath
import re
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from urllib.parse import quote, unquote

import pyarrow as pa

from pipeline.sources.options import SourceOptions
from pipeline.sources.sample import Sample
from pipeline.sources.shard import ImageRoot, Shard
from pipeline.sources.web import web
from pipeline.storage.errors import UserError
from pipeline.storage.files import is_local, locate
from pipeline.storage.look_up import MISSING, look_up_all
from pipeline.storage.redact import printable, redacted, shown
from pipeline.storage.retries import storage
from pipeline.storage.urls import WEB, absolute, parent

_WEB = ("http", "https")
_STORES = ("s3", "s3a", "gs", "gcs", "hf", "az", "abfs", "abfss")
_LOOKED_FOR = 8  # images before a run begins
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class RefusedError(ValueError):
    """The manifest may not name this image; says why."""


@dataclass(frozen=True)
class ImageFile:
    """Reads one image, of at most `max_bytes`, at the first of `places` that is there."""

    places: tuple[str, ...]
    max_bytes: int

    @property
    def ahead(self) -> Callable[[Callable[[int], object]], bytes] | None:
        """What reads it while others are being read, if it comes over a network."""
        return self.read if "://" in self.places[0] else None

    def __call__(self) -> bytes:
        return self.read(lambda size: None)

    def read(self, reserve: Callable[[int], object]) -> bytes:
        """Raises OSError, or what `reserve` raises."""
        for place in self.places[:-1]:
            try:
                return self._read(place, reserve)
            except FileNotFoundError:
                continue
        return self._read(self.places[-1], reserve)

    def _read(self, place: str, reserve: Callable[[int], object]) -> bytes:
        if place.startswith(("http://", "https://")):
            return web.read(place, self.max_bytes, reserve)
        if "://" in place:
            return _read_stored(place, self.max_bytes, reserve)
        return _read_local(place, self.max_bytes)


def image_root(options: SourceOptions, url: str) -> tuple[str, bool]:
    """Below which folder the images are that the file at `url` names, and whether no other may be named."""
    if options.image_root:
        return absolute(options.image_root).rstrip("/") + "/", True
    return parent(url), False


def image_file(shard: Shard[ImageRoot], name: str, max_bytes: int) -> ImageFile:
    """What reads the image that `shard`'s file names `name`. Raises RefusedError."""
    if not name.strip():
        raise RefusedError("it names no image")
    base = _base(shard.url, shard.args.root, shard.args.confined)
    return ImageFile(tuple(dict.fromkeys(map(base.place, _spellings(name)))), max_bytes)


def check_images(shard: Shard[ImageRoot], samples: Iterable[Sample]) -> None:
    """Raises UserError where the first images that `shard`'s file names are all missing: then they lie below
    another folder. What a web server has is not asked for, and a file that cannot be read will say so itself.
    """
    places: list[str] = []
    with suppress(OSError, ValueError, pa.ArrowException):
        for sample in islice(samples, _LOOKED_FOR):
            if sample.error:
                continue
            if not isinstance(sample.load, ImageFile) or sample.load.places[0].startswith(WEB):
                return
            places += sample.load.places
        if not places or any(entry.state != MISSING for entry in look_up_all(places).values()):
            return
        raise UserError(
            f"SOURCE {shown(shard.url)} names images that are not there, the first {_shown(places[0])}. "
            f"{'Check' if shard.args.confined else 'Give the folder they are in with'} --image-root."
        )


def _spellings(name: str) -> list[str]:
    """As it was written; and without what tools leave around and in it: blanks, Windows' separators, %20."""
    if match := _SCHEME.match(name.strip()):
        return [match[0].lower() + name.strip()[match.end() :]]
    plain = name.strip().replace("\\", "/")
    return list(dict.fromkeys([name, plain, unquote(plain)]))


@dataclass(frozen=True)
class _Base:
    """Where a manifest's images may be. `root` ends in a slash; it is a local path or a URL."""

    root: str
    is_local: bool
    schemes: frozenset[str]
    manifest_is_local: bool
    confined: bool

    def place(self, name: str) -> str:
        scheme = name.partition("://")[0] if "://" in name else ""
        if scheme == "file" and self.manifest_is_local and self.is_local:
            return self._below(posixpath.normpath(unquote(name.removeprefix("file://"))), name)
        if scheme and (scheme not in self.schemes or (scheme not in _WEB and "::" in name)):
            raise RefusedError(f"{_shown(name)} is not read: this manifest may not name {scheme}:// files")
        if scheme:
            return name
        if name.startswith("/"):
            return self._absolute(name)
        parts: list[str] = []
        for part in name.split("/"):
            if part == ".." and not parts:
                raise RefusedError(f"{_shown(name)} leads out of the folder of images (--image-root)")
            if part == "..":
                parts.pop()
            elif part != ".":
                parts.append(part)
        relative = "/".join(parts)
        if not self.is_local and "::" in relative:
            raise RefusedError(f"{_shown(name)} is not read: it holds `::`, which chains URLs")
        if self.root.startswith(("http://", "https://")):
            relative = quote(relative, safe="/%")
        return self.root + relative

    def _absolute(self, name: str) -> str:
        if self.is_local and self.confined:
            return self._below(posixpath.normpath(name), name)
        if self.is_local and self.manifest_is_local:
            return name
        raise RefusedError(
            f"{_shown(name)} is an absolute path, in a manifest that is not a local file. "
            "Name images relative to its folder or to --image-root, or by URL."
        )

    def _below(self, path: str, name: str) -> str:
        if f"{path}/".startswith(self.root):
            return path
        raise RefusedError(f"{_shown(name)} does not lie below the folder of images (--image-root)")


@lru_cache(maxsize=64)
def _base(manifest: str, root: str, confined: bool) -> _Base:
    found = frozenset(scheme.lower() for scheme in _SCHEME.findall(manifest))
    manifest_is_local = found <= {"file"}
    filesystem, path = locate(root)
    local = is_local(filesystem) and "::" not in root
    return _Base(
        posixpath.normpath(path).rstrip("/") + "/" if local else root,
        local,
        frozenset((*_WEB, *_STORES)) if manifest_is_local else (found - {"file"}) | set(_WEB),
        manifest_is_local,
        confined,
    )


def _read_local(path: str, max_bytes: int) -> bytes:
    with open(path, "rb", buffering=0, opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is no file (but a device, a pipe or the like)")
        _check(status.st_size, max_bytes)
        data = file.read(status.st_size)
        _check(len(data) + len(file.read(1)), max_bytes)
        return data


def _without_waiting(path: str, flags: int) -> int:
    """A pipe would hold us up until somebody writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _read_stored(url: str, max_bytes: int, reserve: Callable[[int], object]) -> bytes:
    filesystem, path = locate(url)
    try:
        size = storage(filesystem.info, path).get("size")
    except FileNotFoundError:
        raise
    except OSError:  # S3 refuses a HEAD without a reason; reading a byte then tells it
        storage(filesystem.cat_file, path, start=0, end=1)
        raise
    if size == 0:
        return b""
    end = max_bytes + 1 if size is None else int(size)
    _check(int(size or 0), max_bytes)
    reserve(int(size or 0))
    data = bytes(storage(filesystem.cat_file, path, start=0, end=end))
    _check(len(data), max_bytes)
    return data


def _check(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise OSError(f"{size} bytes are more than the limit of {max_bytes} (max_bytes)")


def _shown(name: str) -> str:
    short = name if len(name) <= 100 else f"{name[:97]}..."
    return printable(redacted(short))
