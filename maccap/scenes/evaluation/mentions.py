"""Read a caption of the synthetic scenes back: which objects it names, how many, and where."""

import re
from dataclasses import dataclass

from maccap.scenes.world.lexicon import BACKGROUNDS, NOUNS, NUMBERS, RELATIONS

_WORDS = {word: index for index, noun in enumerate(NOUNS) for word in (noun.singular, noun.plural)}
_COUNTS = {"a": 1, "an": 1, **{word: number for number, word in enumerate(NUMBERS) if number}}
OBJECT = re.compile(rf"(?:\b({'|'.join(_COUNTS)}) )?\b({'|'.join(sorted(_WORDS, key=len, reverse=True))})\b")
_PLACES = {
    phrase: index
    for index, background in enumerate(BACKGROUNDS)
    for phrase in (background.name, *background.phrases)
}
_PLACE = re.compile(rf"\b({'|'.join(sorted(_PLACES, key=len, reverse=True))})\b")


@dataclass(frozen=True)
class Mentions:
    """What a caption says. A count is None where the caption leaves it open (`some dogs`)."""

    counts: dict[int, int | None]
    background: int | None
    relation: str | None


def named_kind(match: re.Match[str]) -> int:
    """The noun of a match of `OBJECT`."""
    return _WORDS[match[2]]


def parse(caption: str) -> Mentions:
    """What `caption` mentions; other words are passed over. An object named twice keeps its first count."""
    counts: dict[int, int | None] = {}
    for match in OBJECT.finditer(caption):
        counts.setdefault(named_kind(match), _COUNTS.get(match[1]))
    place = _PLACE.search(caption)
    relation = next((r for r in RELATIONS if f" {r} " in caption), None)
    return Mentions(counts, _PLACES[place[1]] if place else None, relation)
