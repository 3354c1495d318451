"""Whether a caption is closer to a region of its image than to the whole (the paper's first finding)."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

BINS = 400
EDGES = np.linspace(-1, 1, BINS + 1)
"""Of all histograms of cosines."""


@dataclass(frozen=True)
class Closeness:
    """Sums over pairs of an image, with N regions, and a caption; `a + b` are those of both sets.

    A region is closer where its cosine with the caption is strictly above that of the global feature. Ranks
    are by salience, the most salient first. So far for a region by itself; `read` is of what the adaptor
    reads, `norm(global + region)`.
    """

    pairs: int
    nearest: int  # pairs whose nearest region is closer
    read: int  # pairs for which the nearest of what the adaptor reads is closer
    ranks: NDArray[np.int64]  # [N] pairs whose region of this rank is closer
    best: NDArray[np.int64]  # [N] pairs whose nearest region has this rank
    cosines: NDArray[np.float64]  # [2 + N] sums: of the global feature, the nearest region, each rank
    histograms: NDArray[np.int64]  # [3, BINS]: of the global feature, the nearest region, every region

    @classmethod
    def of(cls, cosines: NDArray[np.floating]) -> Self:
        """`cosines` [pairs, 1 + N + N] of each caption with the global feature, with each region, and with
        what the adaptor reads of each.
        """
        values: NDArray[np.float64] = cosines.astype(np.float64)
        number = values.shape[1] // 2
        whole, regions, read = np.split(values, [1, 1 + number], axis=1)
        nearest = regions.max(axis=1, keepdims=True)
        columns = np.concatenate([whole, nearest, regions], axis=1)
        return cls(
            len(cosines),
            int(np.sum(nearest > whole)),
            int(np.sum(read.max(axis=1, keepdims=True) > whole)),
            np.sum(regions > whole, axis=0),
            np.bincount(regions.argmax(axis=1), minlength=regions.shape[1]),
            columns.sum(axis=0),
            np.stack([_histogram(part) for part in (whole, nearest, regions)]),
        )

    def __add__(self, other: "Closeness") -> "Closeness":
        return Closeness(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def _histogram(cosines: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.histogram(np.clip(cosines, -1, 1), EDGES)[0].astype(np.int64)
