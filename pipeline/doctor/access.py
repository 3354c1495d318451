"""Whether a path or URL can be read, and written as a run writes its OUTPUT."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem

from pipeline.doctor.check import Finding
from pipeline.doctor.machine import existing
from pipeline.storage.errors import CredentialsError
from pipeline.storage.files import file_info, is_local, is_s3, locate, naming
from pipeline.storage.folder import Folder
from pipeline.storage.listing import PATTERN
from pipeline.storage.redact import describe, shown
from pipeline.storage.retries import storage
from pipeline.storage.s3_listing import list_prefix
from pipeline.storage.urls import parent
from pipeline.storage.web_file import is_web

NETWORK_FIX = "Check the network, its proxy, and the endpoint (for S3: AWS_ENDPOINT_URL)."
_LOOKED_AT = 1000  # entries of a folder, among which a file is looked for
_DEPTH = 4
_TRIES = 2


def can_read(url: str) -> Iterator[Finding]:
    """A file, a folder, or a pattern, of which the folder counts: look it up, list it, and read a byte."""
    folder = parent(PATTERN.split(url)[0]) or "." if PATTERN.search(url) else url
    try:
        yield Finding("ok", _read(*locate(folder)))
    except (OSError, ImportError, ValueError, CredentialsError) as error:
        yield Finding("fault", f"cannot be read: {describe(error)}", _fix(error, "ListBucket, s3:GetObject"))


def can_write(url: str) -> Iterator[Finding]:
    """Write a small file there, read it and remove it again. A local folder that is not there is not made:
    its nearest parent is tried.
    """
    try:
        filesystem, path = locate(url)
        if is_web(filesystem):
            yield Finding("fault", "a web server can only be read", "Name a folder or an object store.")
        else:
            yield from _written(Folder(str(existing(Path(path))) if is_local(filesystem) else url))
    except (OSError, ImportError, ValueError, CredentialsError) as error:
        rights = "PutObject, s3:GetObject, s3:DeleteObject"
        yield Finding("fault", f"cannot be written: {describe(error)}", _fix(error, rights))


def _written(folder: Folder) -> Iterator[Finding]:
    name = f".maccap-doctor-{uuid.uuid4().hex}"
    folder.create(name, b"first")
    if folder.read(name) != b"first":
        yield Finding("fault", "a file that was written is not read as it was written")
    elif folder.create(name, b"second"):
        text = "can be written, but does not refuse to overwrite a file"
        yield Finding("warning", text, "Do not start two runs into the same OUTPUT at once.")
    else:
        yield Finding("ok", f"a file was written to {shown(folder.url)}, and read")
    try:
        folder.remove(name)
    except OSError as error:
        yield Finding("warning", f"{name} cannot be removed again: {describe(error)}", "Remove it.")


def _read(filesystem: AbstractFileSystem, path: str) -> str:
    info = file_info(filesystem, path)
    if info["type"] != "directory":
        _read_byte(filesystem, path, info)
        return f"a file, {info.get('size') or 0:,} bytes"
    first = _first_file(filesystem, path, _DEPTH)
    if first is None:
        return "a folder, in which no file was found at once"
    _read_byte(filesystem, first["name"], first)
    return f"a folder; {first['name'].removeprefix(path).strip('/')} in it can be read"


def _read_byte(filesystem: AbstractFileSystem, path: str, info: dict[str, Any]) -> None:
    if is_web(filesystem) or info.get("size") == 0:  # a look-up there reads it; an empty file has no byte
        return
    with naming(filesystem, path):
        storage(filesystem.cat_file, path, start=0, end=1)


def _first_file(filesystem: AbstractFileSystem, folder: str, depth: int) -> dict[str, Any] | None:
    found = list(islice(_listed(filesystem, folder), _LOOKED_AT))
    for info in found:
        if info["type"] == "file":
            return info
    inner = [info for info in found if info["type"] == "directory"]
    if not inner or not depth:
        return None
    return _first_file(filesystem, inner[0]["name"].rstrip("/"), depth - 1)


def _listed(filesystem: AbstractFileSystem, folder: str) -> Iterator[dict[str, Any]]:
    """As fsspec's `ls` tells it, but of a folder of millions no more than is asked for."""
    if is_local(filesystem):
        with os.scandir(folder) as entries:
            for entry in entries:
                kind = "directory" if entry.is_dir() else "file" if entry.is_file() else "other"
                yield {"name": entry.path, "type": kind}
    elif is_s3(filesystem):
        yield from list_prefix(filesystem, folder)
    else:
        with naming(filesystem, folder):
            yield from (
                info for info in storage(filesystem.ls, folder, detail=True) if info["name"] != folder
            )


def _fix(error: Exception, rights: str) -> str:
    if isinstance(error, ImportError | CredentialsError):  # its message says it
        return ""
    if isinstance(error, FileNotFoundError):
        return "Check the path, and of an object store the name of the bucket."
    if isinstance(error, PermissionError):
        return f"Give user {os.geteuid()} the right to it; in S3, s3:{rights}."
    if isinstance(error, TimeoutError | ConnectionError) or "(tried " in str(error):
        return NETWORK_FIX
    return ""


@contextmanager
def few_tries() -> Iterator[None]:
    """A run waits for a storage in trouble; here the trouble is the answer."""
    attempts, storage.attempts = storage.attempts, _TRIES
    try:
        yield
    finally:
        storage.attempts = attempts
