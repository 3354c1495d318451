"""Which names of a long list came before, from a pass over it that keeps 8 bytes per name."""

from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline.sources.unique import digest


class Repeats:
    """Add every name in order; then, if `found`, give the same names again to have their repeats numbered."""

    def __init__(self) -> None:
        self._hashes = array("Q")
        self._sorted: NDArray[np.uint64] = np.empty(0, np.uint64)

    def add(self, name: str) -> None:
        self._hashes.append(_hash(name))

    def found(self) -> bool:
        """Whether a name came twice. Ends the adding."""
        self._sorted = np.array(self._hashes, np.uint64)
        self._hashes = array("Q")
        self._sorted.sort()
        return bool((self._sorted[1:] == self._sorted[:-1]).any())

    def numbered(self, names: Iterable[str]) -> Iterable[tuple[int, int]]:
        """Place and number of each name that came before: `name#2` is the second, and so on, but for a number
        whose name the list has itself.
        """
        twice = set(self._sorted[1:][self._sorted[1:] == self._sorted[:-1]].tolist())
        numbers: dict[int, int] = {}
        for place, name in enumerate(names):
            if (key := _hash(name)) not in twice:
                continue
            number = numbers.get(key, 0) + 1
            while number > 1 and self._has(f"{name}#{number}"):
                number += 1
            numbers[key] = number
            if number > 1:
                yield place, number

    def _has(self, name: str) -> bool:
        key = np.uint64(_hash(name))
        place = int(np.searchsorted(self._sorted, key))
        return place < len(self._sorted) and bool(self._sorted[place] == key)


def _hash(name: str) -> int:
    return int.from_bytes(digest(name), "little")
