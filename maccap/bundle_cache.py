"""Remote bundles in the cache of this machine: each is fetched once, however many processes want it at once.

A copy is made under a lock and gets its name when it is whole, so that what has a name can be read without
one. A process that is killed leaves a hidden folder, which the next to hold the lock removes.
"""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import fsspec
from filelock import FileLock, Timeout

from maccap.bundle_files import check_name, is_hidden

_log = logging.getLogger(__name__)
_WAIT_SECONDS = 3600.0  # for another process's copy; a lock of one that died is free at once


def cache_folder() -> Path:
    """`$MACCAP_CACHE`, by default ~/.cache/maccap."""
    return Path(os.environ.get("MACCAP_CACHE", "~/.cache/maccap")).expanduser()


def cached_bundle(fs: fsspec.AbstractFileSystem, path: str, url: str) -> Path | None:
    """The folder of this machine with the bundle at `path` of `fs` as it is now, without its hidden files;
    None where there is none. `url` is how messages call it.

    Raises OSError, with the fix, where the cache cannot hold it or it does not arrive whole.
    """
    fs.invalidate_cache()  # of listings: it may have been written anew since
    if not fs.exists(f"{path}/config.json"):  # before all files of what may be a bucket are listed
        return None
    files = _listed(fs, path, url)
    # named by what is there now, so that a bundle written anew is fetched anew
    state = _state(fs, files)
    folder = (
        cache_folder() / "bundles" / blake2b(json.dumps([url, state]).encode(), digest_size=12).hexdigest()
    )
    if folder.is_dir():  # also of a cache that cannot be written
        return folder
    try:
        with _lock(folder, url):
            if not folder.is_dir():
                _fetch(fs, files, folder)
                fs.invalidate_cache()
                if _state(fs, _listed(fs, path, url)) != state:
                    shutil.rmtree(folder)
                    raise OSError(f"{url} was written anew while it was copied. Start again.")
    except OSError as error:
        if error.filename is None and error.errno is None:  # says all there is to say
            raise
        raise OSError(
            f"{url} cannot be copied to {folder.parent}: {error.strerror or error}. Set MACCAP_CACHE to a "
            "folder that can be written, with room for the model."
        ) from error
    return folder


def _listed(fs: fsspec.AbstractFileSystem, path: str, url: str) -> dict[str, Mapping[str, Any]]:
    """What the storage says of each file, by its name in the bundle."""
    found = fs.find(path, detail=True)
    files = {name.removeprefix(path).lstrip("/"): about for name, about in sorted(found.items())}
    files = {inside: about for inside, about in files.items() if not is_hidden(inside)}
    for inside in files:
        check_name(inside, f"{url}/{inside}")
    return files


def _state(fs: fsspec.AbstractFileSystem, files: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(about["name"], fs.ukey(about["name"])) for about in files.values()]


@contextmanager
def _lock(folder: Path, url: str) -> Iterator[None]:
    """Held by one process at a time, of all machines that share the cache; a file beside the copies."""
    locks = cache_folder() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _log.warning("another process copies %s to %s: waiting for it", url, folder.parent)
        try:
            lock.acquire(timeout=_WAIT_SECONDS, poll_interval=0.2)
        except Timeout:
            raise OSError(
                f"another process has held {lock.lock_file} for {_WAIT_SECONDS / 60:.0f} minutes, to copy "
                f"{url}. End it, or remove that file if there is none."
            ) from None
    try:
        yield
    finally:
        lock.release()


def _fetch(fs: fsspec.AbstractFileSystem, files: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Under the lock: all files, each of the size that was listed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        for inside, about in files.items():
            local = partial / inside
            local.parent.mkdir(parents=True, exist_ok=True)
            fs.get_file(about["name"], str(local))
            came, size = local.stat().st_size, about["size"]
            if size is not None and came != size:
                raise OSError(f"{about['name']} came as {came:,} bytes of {size:,}. Start again.")
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
