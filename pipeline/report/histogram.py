"""A distribution in bins of equal width: its memory does not grow with the rows."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_TAIL = 0.002  # of the values, at either end, that a drawing gathers in its first and last bar


class Bar(NamedTuple):
    """How many values lie in [low, high)."""

    low: float
    high: float
    values: int


class Histogram:
    """Counts values from `low` to `high` in bins of `width`; what lies beyond, in the end bins."""

    def __init__(self, low: float, high: float, width: float) -> None:
        self.low, self.high, self.width = low, high, width
        self.bins: NDArray[np.int64] = np.zeros(round((high - low) / width) + 1, np.int64)
        self._sum = 0.0
        self._least, self._most = np.inf, -np.inf

    def add(self, values: NDArray[Any]) -> None:
        """Values that are no number are passed over."""
        values = values[np.isfinite(values)].astype(np.float64)
        # a value on a bin's edge, as 0.29 is, belongs to the bin that begins there
        places = np.floor((values - self.low) / self.width + 1e-6)
        places = np.clip(places, 0, len(self.bins) - 1).astype(np.int64)
        self.bins += np.bincount(places, minlength=len(self.bins))
        self._sum += float(values.sum())
        self._least = min(self._least, float(values.min(initial=np.inf)))
        self._most = max(self._most, float(values.max(initial=-np.inf)))

    @property
    def count(self) -> int:
        return int(self.bins.sum())

    @property
    def mean(self) -> float | None:
        return self._sum / self.count if self.count else None

    def quantile(self, fraction: float) -> float:
        """The middle of the bin that `fraction` of the values lie in or below; infinite where that is an end
        bin, and holds what lies beyond; NaN where there are no values.
        """
        if not self.count:
            return np.nan
        place = self._bin_at(fraction)
        if place == 0 and self._least < self.low:
            return -np.inf
        if place == len(self.bins) - 1 and self._most >= self.high + self.width:
            return np.inf
        return self.low + self.width * (place + 0.5)

    def bars(self, at_most: int) -> list[Bar]:
        """The bins joined to bars of a round width; those at the ends hold what lies beyond, too."""
        if not self.count:
            return []
        first, last = self._bin_at(_TAIL), self._bin_at(1 - _TAIL)
        step = next(step for step in _round_steps() if last // step - first // step < at_most)
        starts = range(first // step * step, last + 1, step)
        counts = [int(self.bins[start : start + step].sum()) for start in starts]
        counts[0] += int(self.bins[: starts[0]].sum())
        counts[-1] += int(self.bins[starts[-1] + step :].sum())
        edges = [self.low + self.width * start for start in (*starts, starts[-1] + step)]
        return [Bar(low, high, count) for (low, high), count in zip(pairwise(edges), counts, strict=True)]

    def _bin_at(self, fraction: float) -> int:
        return int(np.searchsorted(self.bins.cumsum(), max(1.0, fraction * self.count)))


def _round_steps() -> list[int]:
    return [digit * 10**power for power in range(7) for digit in (1, 2, 5)]
