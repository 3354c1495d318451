"""BLEU, METEOR, ROUGE-L, CIDEr-D and SPICE by coco-caption's own code (the package pycocoevalcap).

Its CIDEr clips counts and penalises differences of length, and so is CIDEr-D (Vedantam et al. 2015), without
stemming; coco-caption prints it as CIDEr. Document frequencies are those of the references given.
"""

import math
from collections.abc import Callable, Iterator
from zipfile import BadZipFile

import numpy as np

from pipeline.evaluate.captions import Captions
from pipeline.evaluate.coco_tokens import JavaError, Tokens, tokenised, utf8_java
from pipeline.evaluate.meteor import MeteorProgram
from pipeline.evaluate.metric import Array, MetricScore, NotComputed, Outcome, ratio
from pipeline.storage.errors import UserError
from pipeline.storage.extras import require

_N = 4
BLEU = tuple(f"BLEU-{n}" for n in range(1, _N + 1))
METEOR, ROUGE, CIDER, SPICE = "METEOR", "ROUGE-L", "CIDEr-D", "SPICE"
_SMALL, _TINY = 1e-9, 1e-15  # as in coco-caption, against division by zero


class CocoMetrics:
    """SPICE is computed where it is asked for: its Java program fails on most machines of today."""

    def __init__(self, spice: bool = False) -> None:
        self._spice = spice
        self._program = MeteorProgram()

    def measure(self, captions: Captions) -> Iterator[Outcome]:
        if not captions.with_references:
            return
        names = (*BLEU, METEOR, ROUGE, CIDER, *([SPICE] if self._spice else ()))
        try:
            require("pycocoevalcap", "scoring captions")
            tokens = tokenised(captions)
        except (UserError, JavaError) as error:
            yield NotComputed(names, str(error))
            return
        yield from _bleu(tokens)
        yield from _if_it_runs(METEOR, self._meteor, tokens)
        yield from _rouge(tokens)
        yield from _cider(tokens)
        if self._spice:
            yield from _if_it_runs(SPICE, _spice, tokens)

    def _meteor(self, tokens: Tokens) -> Iterator[MetricScore]:
        yield MetricScore(METEOR, self._program.statistics(tokens), self._program.scores)


def _bleu(tokens: Tokens) -> Iterator[MetricScore]:
    """Its statistics are the words of the caption and of the reference of the closest length, and the n-grams
    said and matched of each order.
    """
    from pycocoevalcap.bleu.bleu_scorer import BleuScorer

    scorer = BleuScorer(n=_N)
    for place, captions in tokens.captions.items():
        scorer += (captions[0], tokens.references[place])
    rows = []
    for counts in scorer.ctest:
        said = counts["testlen"]
        closest = min((abs(length - said), length) for length in counts["reflen"])[1]
        rows.append([said, closest, *counts["guess"], *counts["correct"]])
    statistics = np.array(rows, np.float64)
    for n, name in enumerate(BLEU, 1):
        yield MetricScore(name, statistics, _bleu_of(n))


def _bleu_of(n: int) -> Callable[[Array], Array]:
    def aggregate(sums: Array) -> Array:
        said, wanted = sums[:, 0], sums[:, 1]
        guessed, correct = sums[:, 2 : 2 + n], sums[:, 2 + _N : 2 + _N + n]
        precision = np.prod((correct + _TINY) / (guessed + _SMALL), axis=1) ** (1 / n)
        length = (said + _TINY) / (wanted + _SMALL)
        return precision * np.exp(np.minimum(0, 1 - 1 / length))

    return aggregate


def _rouge(tokens: Tokens) -> Iterator[MetricScore]:
    from pycocoevalcap.rouge.rouge import Rouge

    yield ratio(ROUGE, Rouge().compute_score(tokens.references, tokens.captions)[1])


def _cider(tokens: Tokens) -> Iterator[MetricScore | NotComputed]:
    from pycocoevalcap.cider.cider import Cider

    if len(tokens.captions) < 2:
        yield NotComputed((CIDER,), "needs two images or more, for its document frequencies")
        return
    yield ratio(CIDER, Cider().compute_score(tokens.references, tokens.captions)[1])


def _spice(tokens: Tokens) -> Iterator[MetricScore]:
    from pycocoevalcap.spice.spice import Spice

    scores = Spice().compute_score(tokens.references, tokens.captions)[1]
    values = [score["All"]["f"] for score in scores]
    yield ratio(SPICE, [0.0 if math.isnan(value) else value for value in values])


def _if_it_runs(
    name: str, compute: Callable[[Tokens], Iterator[MetricScore]], tokens: Tokens
) -> Iterator[MetricScore | NotComputed]:
    """What a Java program of its own computes; it may lack memory, files, or a Java that it runs on."""
    try:
        with utf8_java():
            yield from compute(tokens)
    except (JavaError, OSError, ValueError, BadZipFile) as error:
        hint = f" ({_ABOUT_SPICE})" if name == SPICE else ""
        yield NotComputed((name,), f"its Java program failed: {error}{hint}")


_ABOUT_SPICE = "SPICE 1.0 needs Java 8, and loads Stanford CoreNLP 3.6.0 from the web the first time"
