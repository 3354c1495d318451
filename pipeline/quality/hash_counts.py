"""How often each of many hashes comes, in a few bytes for each."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

NONE = np.uint64(0)
"""Of a row that has nothing to compare: it keeps its number, and is no copy of anything."""


def text_hashes(texts: Iterable[str | None]) -> Hashes:
    """A hash of 64 bits for each text, the same in any process. Of 100 million texts, two that differ share
    one with a chance of 3 in 10,000.
    """
    digests = [NONE.tobytes() if text is None else _digest(text) for text in texts]
    return np.frombuffer(b"".join(digests), np.uint64)


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


class HashCounts:
    """Counts of the hashes of all rows; `parts` are those of one file after another.

    Takes up to 16 bytes for each distinct hash, and about 40 for each row while it counts.
    """

    def __init__(self, parts: Sequence[Hashes]) -> None:
        rows = np.concatenate([np.empty(0, np.uint64), *parts])
        counted = [_counted(rows, *span) for span in _spans(len(rows))]
        self.distinct, self._first, self._counts = map(np.concatenate, zip(*counted, strict=True))

    @property
    def rows(self) -> int:
        """Rows that have something to compare."""
        return int(self._counts.sum(dtype=np.int64))

    @property
    def copies(self) -> int:
        """Rows that equal an earlier one: those that go where each is kept once."""
        return self.rows - len(self.distinct)

    def of(self, hashes: Hashes) -> NDArray[np.int64]:
        """How many rows have each of `hashes`; 0 for those of no row."""
        return self._looked_up(self._counts, hashes, 0)

    def first_of(self, hashes: Hashes) -> NDArray[np.int64]:
        """The number, from 0, of the first row with each of `hashes`; -1 for those of no row."""
        return self._looked_up(self._first, hashes, -1)

    def most_frequent(self, number: int) -> list[tuple[int, int]]:
        """Hash and count of those that come more than once, the most frequent first; of equals, the first."""
        repeated = np.flatnonzero(self._counts > 1)
        order = np.lexsort((self._first[repeated], -self._counts[repeated].astype(np.int64)))[:number]
        return [(int(self.distinct[place]), int(self._counts[place])) for place in repeated[order]]

    def _looked_up(self, values: NDArray[Any], hashes: Hashes, absent: int) -> NDArray[np.int64]:
        found = np.full(len(hashes), absent)
        places = np.searchsorted(self.distinct, hashes)
        inside = np.flatnonzero(places < len(self.distinct))
        here = inside[self.distinct[places[inside]] == hashes[inside]]
        found[here] = values[places[here]]
        return found


_ROWS_AT_ONCE = 1 << 20


def _spans(rows: int) -> Iterator[tuple[int, int]]:
    """Ranges that together have all hashes but `NONE`, with about a million of the `rows` in each."""
    number = 1 + rows // _ROWS_AT_ONCE
    starts = [place * 2**64 // number for place in range(number + 1)]
    for start, end in pairwise(starts):
        yield max(start, 1), end - 1


def _counted(rows: Hashes, least: int, most: int) -> tuple[Hashes, NDArray[Any], NDArray[Any]]:
    """The distinct hashes from `least` to `most`, the first row of each, and how many there are."""
    places = np.flatnonzero((rows >= least) & (rows <= most))
    hashes, first, counts = np.unique(rows[places], return_index=True, return_counts=True)
    narrow = np.min_scalar_type(len(rows))
    return hashes, places[first].astype(narrow), counts.astype(narrow)
