"""Images that are there more than once, to the byte or to the eye, by the hashes of stage `hashes`.

Images of one even colour, whichever it is, have the same perceptual hash, with one bit set: they are
compared by their bytes alone.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.quality.duplicates import DuplicateTotals, Group
from pipeline.quality.frequent import FrequentExamples
from pipeline.quality.hash_counts import NONE, HashCounts, Hashes, text_hashes
from pipeline.quality.near_hashes import MOST_BITS, near_groups


class ImageCopies:
    """Takes the hashes of all images, file by file, and then tells how many are duplicates. Images are near
    where at most `most_bits` of their perceptual hashes' 64 bits differ, 3 at most.

    `flat` counts the images of one even colour. Holds 16 bytes a row; a total takes about 80 bytes for each
    row for a while.
    """

    def __init__(self, most_bits: int = MOST_BITS) -> None:
        self._most_bits = most_bits
        self.flat = 0
        self._exact: list[Hashes] = []
        self._near: list[Hashes] = []
        self._examples = FrequentExamples()
        self._grouped: _Groups | None = None

    def add(
        self, sha256s: Sequence[str | None], phashes: Sequence[str | None], image_ids: Sequence[str]
    ) -> None:
        """Columns of the caption table. Rows without hashes count for nothing."""
        near = perceptual_hashes(phashes)
        is_flat = np.bitwise_count(near) == 1
        self.flat += int(np.count_nonzero(is_flat))
        near[is_flat] = NONE
        self._exact.append(text_hashes(sha256s))
        self._near.append(near)
        pairs = zip(near.tolist(), image_ids, strict=True)
        self._examples.add((hash_, image_id) for hash_, image_id in pairs if hash_ != NONE)
        self._grouped = None

    def totals(self) -> DuplicateTotals:
        groups, exact = self._groups(), HashCounts(self._exact)
        return DuplicateTotals(exact.rows, exact.copies, groups.copies)

    def largest(self, number: int = 20) -> list[Group]:
        """The largest groups of near-duplicates, each with the id of an image."""
        groups = self._groups()
        return [
            Group(count, next(filter(None, map(self._examples.get, members)), None))
            for count, members in groups.largest(number)
        ]

    @property
    def crowded(self) -> int:
        """Perceptual hashes that were not compared with all that are alike (see `near_groups`)."""
        return self._groups().crowded

    def _groups(self) -> "_Groups":
        if self._grouped is None:
            self._grouped = _Groups(HashCounts(self._near), self._most_bits)
        return self._grouped


class _Groups:
    """Groups of near hashes: the place of each hash's group, and the rows of each group."""

    def __init__(self, hashes: HashCounts, most_bits: int) -> None:
        self.hashes = hashes
        self._group, self.crowded = near_groups(hashes.distinct, most_bits)
        counts = hashes.of(hashes.distinct)
        self._rows = np.bincount(self._group, counts, len(counts)).astype(np.int64)

    @property
    def copies(self) -> int:
        return self.hashes.rows - int(np.count_nonzero(self._rows))

    def largest(self, number: int) -> list[tuple[int, list[int]]]:
        """Rows and hashes of the largest."""
        repeated = np.flatnonzero(self._rows > 1)
        largest: NDArray[np.int64] = repeated[np.argsort(-self._rows[repeated], kind="stable")][:number]
        return [(int(self._rows[one]), self.hashes.distinct[self._group == one].tolist()) for one in largest]


def perceptual_hashes(phashes: Sequence[str | None]) -> Hashes:
    """Numbers of the table's 16 hex digits."""
    digits = "".join(f"{NONE:016x}" if phash is None else phash for phash in phashes)
    return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64)
