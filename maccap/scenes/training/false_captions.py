"""Captions that are nearly true of a scene: what a CLIP has to tell from true ones if it is to choose."""

import re
from collections.abc import Iterator

import numpy as np

from maccap.scenes.evaluation.mentions import OBJECT, named_kind, parse
from maccap.scenes.world.captions import object_phrase
from maccap.scenes.world.lexicon import NOUNS, RELATIONS
from maccap.scenes.world.scene import Scene, pair_split

_NUMBERS = (1, 2, 3)
_OPEN = re.compile(r"(some|several) $")  # before a kind whose number is left open
_BETWEEN = re.compile(rf" (?:next to|with|and|{'|'.join(RELATIONS)})((?: some| several)? )")
_VERB = re.compile(r"\b(is|are) $")


def false_captions(caption: str, scene: Scene, rng: np.random.Generator) -> list[str]:
    """`caption`, true of `scene`, with one thing wrong in each: another relation, or of one kind another
    number or, as many, of a kind that is not there. A number that the caption leaves open is told.

    The words alone do not tell: what is named stands together in scenes of training, in the same order.
    """
    counts, named = scene.counts(), list(parse(caption).counts)
    wrong = list(_other_relations(caption, scene))
    for match in OBJECT.finditer(caption):
        noun = named_kind(match)
        phrases = [(number, object_phrase(noun, number)) for number in _NUMBERS if number != counts[noun]]
        others = [other for other in named if other != noun]
        if strangers := list(_strangers(noun, counts, others)):
            phrases.append((counts[noun], object_phrase(int(rng.choice(strangers)), counts[noun])))
        wrong += [_with(caption, match, number, phrase) for number, phrase in phrases]
    return wrong


def _other_relations(caption: str, scene: Scene) -> Iterator[str]:
    """The caption of two kinds with each relation that does not hold, by however little, in the place of its
    own, or of what tells none.
    """
    said, places = parse(caption), [match.span() for match in OBJECT.finditer(caption)]
    if len(said.counts) != 2 or len(places) != 2:
        return
    (first, second), ((_, start), (end, _)) = said.counts, places
    between = _BETWEEN.fullmatch(caption[start:end])
    if between is None:
        return
    for relation in RELATIONS:
        if scene.gap(first, relation, second) <= 0:
            yield f"{caption[:start]} {relation}{between[1]}{caption[end:]}"


def _strangers(noun: int, counts: dict[int, int], others: list[int]) -> Iterator[int]:
    """Kinds that could stand in a training caption in the place of `noun`, beside the `others`."""
    for stranger in range(len(NOUNS)):
        met = all(pair_split(stranger, other) == "train" for other in counts if other not in (noun, stranger))
        in_order = len(others) != 1 or (stranger < others[0]) == (noun < others[0])
        if stranger not in counts and met and in_order:
            yield stranger


def _with(caption: str, match: re.Match[str], number: int, phrase: str) -> str:
    """The caption with a `phrase` of so many in the place of the match."""
    before = _OPEN.sub("", caption[: match.start()])
    before = _VERB.sub("is " if number == 1 else "are ", before)
    return before + phrase + caption[match.end() :]
