"""How varied the captions of a run are, whatever is in the images."""

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from pipeline.evaluate.captions import Captions
from pipeline.evaluate.metric import Array, MetricScore, Outcome, ratio

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


class Diversity:
    """distinct-1 and distinct-2 (Li et al. 2016): different words, and pairs of words, per word and pair;
    the vocabulary, and the mean number of words. Words are runs of letters and digits, in small letters.
    Images without a caption do not count.
    """

    def measure(self, captions: Captions) -> Iterator[Outcome]:
        if not captions.are_captions:
            return
        words = [_WORD.findall((row.caption or "").lower()) for row in captions.rows]
        for n in (1, 2):
            grams = Counter(
                gram for said in words for gram in zip(*(said[k:] for k in range(n)), strict=False)
            )
            total = sum(grams.values())
            yield _of_all(f"distinct-{n}", len(grams) / total if total else float("nan"), len(words))
        yield _of_all("vocabulary", float(len({word for said in words for word in said})), len(words))
        yield ratio("mean length", [len(said) for said in words], [float(bool(said)) for said in words])


def _of_all(name: str, value: float, images: int) -> MetricScore:
    """A score of the captions together, which no sum over images makes."""

    def aggregate(sums: Array) -> Array:
        return np.full(len(sums), value)

    return MetricScore(name, np.zeros((images, 1)), aggregate, resampled=False)
