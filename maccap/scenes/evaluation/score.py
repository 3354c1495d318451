"""Score captions of synthetic scenes: against what is in the scene, and by CIDEr-D against references."""

import re
from collections.abc import Sequence
from typing import ClassVar

from maccap.config import Config
from maccap.scenes.evaluation.mentions import Mentions, parse
from maccap.scenes.world.facts import SceneFacts
from maccap.scenes.world.lexicon import BACKGROUNDS, NOUNS


class Scores(Config):
    """All are fractions of 1 except CIDEr-D (0 to 10); None where nothing of the kind was said.

    precision: objects named that are there. recall: objects there, and named by a reference, that are named.
    background and count: right among those stated. relation: true among those stated.
    """

    captions: int
    precision: float | None
    recall: float | None
    background: float | None
    count: float | None
    relation: float | None
    cider_d: float

    SHOWN: ClassVar = ("precision", "recall", "background", "count", "relation", "CIDEr-D")

    def shown(self) -> list[str]:
        """The scores that `SHOWN` names, to read in a table."""
        parts = (self.precision, self.recall, self.background, self.count, self.relation)
        return [*("-" if part is None else f"{part:.3f}" for part in parts), f"{self.cider_d:.2f}"]


def mean(scores: Sequence[Scores]) -> Scores:
    """Of several scores of the same scenes; a part that some have nothing to say of is that of the others."""
    parts = {
        name: [value for value in (getattr(one, name) for one in scores) if value is not None]
        for name in Scores.model_fields
    }
    means = {name: sum(values) / len(values) if values else None for name, values in parts.items()}
    return Scores.model_validate(means | {"captions": scores[0].captions})


def score(captions: Sequence[str | None], facts: Sequence[SceneFacts]) -> Scores:
    """Score one caption a scene; a missing caption (None) names nothing and costs recall and CIDEr-D.

    Raises ValueError for fewer than two scenes, where CIDEr-D's document frequencies mean nothing.
    """
    if len(captions) != len(facts) or len(facts) < 2:
        raise ValueError(f"{len(captions)} captions for {len(facts)} scenes; two scenes or more are needed")
    tally = _Tally()
    for caption, scene in zip(captions, facts, strict=True):
        tally.add(parse(caption or ""), scene)
    return Scores(
        captions=len(captions),
        precision=_share(tally.present, tally.named),
        recall=_share(tally.recalled, tally.expected),
        background=_share(tally.places_right, tally.places),
        count=_share(tally.counts_right, tally.counts),
        relation=_share(tally.relations_right, tally.relations),
        cider_d=cider_d(captions, [scene.captions for scene in facts]),
    )


def cider_d(captions: Sequence[str | None], references: Sequence[Sequence[str]]) -> float:
    """CIDEr-D (Vedantam et al. 2015) with document frequencies from these references."""
    from pycocoevalcap.cider.cider import Cider  # an extra of the package

    candidates = {i: [_words(caption or "")] for i, caption in enumerate(captions)}
    wanted = {i: [_words(text) for text in texts] for i, texts in enumerate(references)}
    value, _ = Cider().compute_score(wanted, candidates)
    return float(value)


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


class _Tally:
    def __init__(self) -> None:
        self.named = self.present = self.expected = self.recalled = 0
        self.places = self.places_right = self.counts = self.counts_right = 0
        self.relations = self.relations_right = 0

    def add(self, said: Mentions, scene: SceneFacts) -> None:
        names = {NOUNS[noun].singular: count for noun, count in said.counts.items()}
        self.named += len(names)
        self.present += len(names.keys() & scene.objects.keys())
        referenced = {NOUNS[noun].singular for text in scene.captions for noun in parse(text).counts}
        self.expected += len(referenced)
        self.recalled += len(referenced & names.keys())
        counted = {name: n for name, n in names.items() if n is not None and name in scene.objects}
        self.counts += len(counted)
        self.counts_right += sum(n == scene.objects[name] for name, n in counted.items())
        if said.background is not None:
            self.places += 1
            self.places_right += BACKGROUNDS[said.background].name == scene.background
        if said.relation is not None:
            self.relations += 1
            first, *rest = names
            self.relations_right += bool(rest) and (first, said.relation, rest[0]) in scene.relations


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
