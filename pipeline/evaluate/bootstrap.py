"""95 % intervals of scores and of their differences, by the bootstrap over images (Efron; Koehn 2004).

A sample draws as many images as there are, with replacement; each score is computed from the summed
statistics of the images drawn, so that BLEU and METEOR are resampled as the corpus scores that they are.
CIDEr-D keeps the document frequencies of the whole set: its values of single images are resampled. All scores
of a run, and all runs that are compared, see the same samples, so that differences are paired.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.evaluate.metric import Array, MetricScore

SAMPLES = 1000
LEVEL = 0.95
_AT_ONCE = 50  # samples: how often each image was drawn is a number for each of them and each image


class Interval(NamedTuple):
    """Of the middle `LEVEL` of the samples."""

    low: float
    high: float


def resample(measured: Sequence[MetricScore], images: int, seed: int, samples: int = SAMPLES) -> list[Array]:
    """Each score of each sample, [samples]; the samples are the same for the same `images` and `seed`."""
    numbers = np.random.default_rng(seed)
    values: list[list[Array]] = [[] for _ in measured]
    for start in range(0, samples, _AT_ONCE):
        count = min(_AT_ONCE, samples - start)
        drawn = numbers.multinomial(images, np.full(images, 1 / images), count).astype(np.float64)
        for one, into in zip(measured, values, strict=True):
            into.append(one.aggregate(drawn @ one.statistics))
    return [np.concatenate(parts) for parts in values]


def interval(values: Array) -> Interval | None:
    """None where no sample has a value."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    outside = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(known, [outside, 100 - outside])
    return Interval(float(low), float(high))
