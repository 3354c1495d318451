"""A folder of files, local or behind any fsspec URL, whose files appear whole or not at all."""

import os
import uuid
from pathlib import Path
from typing import Any

import fsspec

_TEMPORARY = ".tmp"


class Folder:
    """A flat folder. A local file is written under a hidden temporary name and renamed; an object store's
    upload is whole by itself.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._filesystem, self._path = fsspec.core.url_to_fs(self.url)
        self._local = "file" in _protocols(self._filesystem)

    def make(self) -> None:
        self._filesystem.makedirs(self._path, exist_ok=True)

    def names(self) -> list[str]:
        """Names of what is in the folder, sorted; empty for a folder that is not there."""
        self._filesystem.invalidate_cache()
        try:
            entries = self._filesystem.ls(self._path, detail=False)
        except FileNotFoundError:
            return []
        return sorted(str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in entries)

    def open(self, name: str) -> Any:
        return self._filesystem.open(self._join(name), "rb")

    def read(self, name: str) -> bytes | None:
        """The file's bytes, or None if it is not there."""
        try:
            return bytes(self._filesystem.cat_file(self._join(name)))
        except FileNotFoundError:
            return None

    def write(self, name: str, data: Any) -> None:
        """Write `data` (bytes or an Arrow buffer) as `name`, over what was there."""
        if not self._local:
            self._filesystem.pipe_file(self._join(name), bytes(data))
            return
        temporary = Path(self._join(f".{name}.{uuid.uuid4().hex}{_TEMPORARY}"))
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._join(name))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def remove(self, name: str) -> None:
        if self._filesystem.exists(self._join(name)):
            self._filesystem.rm_file(self._join(name))

    def remove_all(self) -> None:
        """Remove the folder and all that is in it."""
        if self._filesystem.exists(self._path):
            self._filesystem.rm(self._path, recursive=True)

    def remove_temporaries(self) -> None:
        """Clear what a killed writer left half written."""
        for name in self.names():
            if name.startswith(".") and name.endswith(_TEMPORARY):
                self.remove(name)

    def _join(self, name: str) -> str:
        return f"{self._path}/{name}"


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
