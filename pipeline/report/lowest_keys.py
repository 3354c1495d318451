"""The rows of a table with the lowest keys, whatever its size: extremes, and random samples."""

from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Place(NamedTuple):
    """A row of the table: the file's number in the order of their names, and the row in it."""

    file: int
    row: int


class LowestKeys:
    """The `count` rows with the lowest keys seen so far; of equal keys the first. A row whose key is no
    number is passed over.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._found: list[tuple[float, Place]] = []

    def add(self, keys: NDArray[Any], file: int) -> None:
        """The keys of a file's rows."""
        rows = np.flatnonzero(~np.isnan(keys))
        if len(self._found) == self._count:
            worst = self._found[-1][0] if self._found else -np.inf
            rows = rows[keys[rows] < worst]
        if len(rows) > self._count:
            rows = rows[np.argsort(keys[rows], kind="stable")[: self._count]]
        if len(rows):
            found = [(float(keys[row]), Place(file, int(row))) for row in rows]
            self._found = sorted([*self._found, *found])[: self._count]

    @property
    def places(self) -> list[Place]:
        """With the lowest key first."""
        return [place for _, place in self._found]


def random_keys(seed: int, name: str, rows: int) -> NDArray[np.float64]:
    """A key for each row of the file `name`. The rows with the lowest are a random sample: the same for
    one seed, whatever order files are read in, and mostly the same once the run has grown.
    """
    digest = sha256(f"{seed} {name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little")).random(rows)
