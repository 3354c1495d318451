"""What a metric is: statistics of each image, whose sums over images make a score.

A score is always computed from sums, so that the same statistics give the score of all images, of a part of
them, and of each bootstrap sample: a mean has sums of values and of counts, BLEU those of n-grams.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.evaluate.captions import Captions

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MetricScore:
    """One score. `statistics` are [images, K], in the order of the captions; `aggregate` takes sums of them
    over images [B, K] to B scores.

    `resampled` False is for what has no interval: a bootstrap sample repeats images, and what counts distinct
    words would be too low in each.
    """

    name: str
    statistics: Array
    aggregate: Callable[[Array], Array]
    resampled: bool = True

    def value(self) -> float:
        """Of all images."""
        return float(self.aggregate(self.statistics.sum(axis=0, keepdims=True))[0])


@dataclass(frozen=True)
class NotComputed:
    """Scores that cannot be had here, and why."""

    names: Sequence[str]
    reason: str


@dataclass(frozen=True)
class Remark:
    """What a reader of the scores has to know: a sentence."""

    text: str


Outcome = MetricScore | NotComputed | Remark


class Metric(Protocol):
    """A family of scores that are computed together."""

    def measure(self, captions: Captions) -> Iterable[Outcome]:
        """Its scores of these captions; none where they lack what it needs, such as references."""


def ratio(name: str, numerators: ArrayLike, denominators: ArrayLike | None = None) -> MetricScore:
    """The sum of the numerators by that of the denominators: the mean over images, where these are left out.
    An image with 0 / 0 does not count. NaN where nothing counts.
    """
    above = np.asarray(numerators, np.float64)
    below = np.ones_like(above) if denominators is None else np.asarray(denominators, np.float64)
    return MetricScore(name, np.stack([above, below], axis=1), _quotient)


def _quotient(sums: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[:, 0] / sums[:, 1]
