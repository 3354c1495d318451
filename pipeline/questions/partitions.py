"""Rows set aside in temporary files by a hash, so that what needs all of them sees one part at a time."""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")


def hash_of(text: str) -> int:
    """64 bits."""
    return int.from_bytes(blake2b(text.encode("utf-8", "backslashreplace"), digest_size=8).digest())


def partition_of(hashes: Any, count: int) -> Any:
    """Which of `count` equal ranges of the hash: a greater hash is in the same or a later one."""
    return ((hashes >> 32) * count) >> 32


class Partitions:
    """Tables with a column `hash` (uint64) in `folder`, a local one, whose rows lie in one file for each of
    `count` ranges of the hash; in each they keep the order in which they came. No file is open between calls.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.count = count
        self._folder = folder
        folder.mkdir()

    def add(self, rows: pa.Table) -> None:
        """Best many at once: each call is a piece in each file. Raises OSError where the disk is full."""
        partitions = partition_of(rows["hash"].to_numpy(), self.count)
        order = np.argsort(partitions, kind="stable")
        bounds = np.searchsorted(partitions[order], np.arange(self.count + 1))
        rows = rows.take(pa.array(order))
        for partition in np.flatnonzero(np.diff(bounds)).tolist():
            first, end = int(bounds[partition]), int(bounds[partition + 1])
            with (
                self._path(partition).open("ab") as file,
                pa.ipc.new_stream(file, rows.schema, options=_OPTIONS) as writer,
            ):
                writer.write_table(rows.slice(first, end - first))

    def tables(self, partition: int) -> Iterator[pa.Table]:
        """The pieces of one file."""
        path = self._path(partition)
        if not path.exists():
            return
        with path.open("rb") as file:
            while file.peek(1):
                yield pa.ipc.open_stream(file).read_all()

    def remove(self, partition: int) -> None:
        """To free the disk."""
        self._path(partition).unlink(missing_ok=True)

    def _path(self, partition: int) -> Path:
        return self._folder / f"{partition:05d}.arrows"
