"""Five captions of a scene, each leaving details out at random, as people's captions do."""

import numpy as np

from maccap.world.lexicon import BACKGROUNDS, NOUNS, NUMBERS, with_article
from maccap.world.scene import Scene

CAPTIONS_PER_SCENE = 5
_OPENINGS = ("", "", "", "", "a photo of ", "a picture of ")


def scene_captions(scene: Scene, rng: np.random.Generator, count: int = CAPTIONS_PER_SCENE) -> list[str]:
    """`count` captions of one scene. Everything a caption says is true of the scene."""
    return [_caption(scene, rng) for _ in range(count)]


def object_phrase(noun: int, count: int) -> str:
    """Name a kind with its number: `a dog`, `two dogs`."""
    return with_article(NOUNS[noun]) if count == 1 else f"{NUMBERS[count]} {NOUNS[noun].plural}"


def _caption(scene: Scene, rng: np.random.Generator) -> str:
    counts = scene.counts()
    kinds = list(counts)
    if len(kinds) > 1 and rng.random() < 0.12:
        kinds.pop(int(rng.integers(len(kinds))))
    if len(kinds) > 1 and rng.random() < 0.2:
        rng.shuffle(kinds)
    phrases = [_maybe_vague(noun, counts[noun], rng) for noun in kinds]
    related = scene.relation(kinds[0], kinds[1]) if len(kinds) == 2 else None
    if related is not None and rng.random() < 0.25:
        objects = f"{phrases[0]} {related} {phrases[1]}"
    elif len(phrases) == 2 and rng.random() < 0.1:
        objects = f"{phrases[0]} next to {phrases[1]}"
    else:
        objects = _listed(phrases)
    if rng.random() < 0.15:
        return _OPENINGS[int(rng.integers(len(_OPENINGS)))] + objects
    options = BACKGROUNDS[scene.background].phrases
    where = options[0] if rng.random() < 0.7 else options[-1]
    if rng.random() < 0.08:
        return f"{where} there {'is' if phrases[0].startswith(('a ', 'an ')) else 'are'} {objects}"
    return f"{_OPENINGS[int(rng.integers(len(_OPENINGS)))]}{objects} {where}"


def _maybe_vague(noun: int, count: int, rng: np.random.Generator) -> str:
    if count > 1 and rng.random() < 0.12:
        return ("some " if rng.random() < 0.5 else "") + NOUNS[noun].plural
    return object_phrase(noun, count)


def _listed(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]
