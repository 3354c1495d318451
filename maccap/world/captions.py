"""Five captions of a scene, each leaving details out at random, as people's captions do."""

import numpy as np

from maccap.world.lexicon import BACKGROUNDS, NOUNS, NUMBERS, with_article
from maccap.world.scene import Scene

CAPTIONS_PER_SCENE = 5
_OPENINGS = ("a photo of ", "a picture of ", "an image of ", "a drawing of ", "we see ")


def scene_captions(scene: Scene, rng: np.random.Generator, count: int = CAPTIONS_PER_SCENE) -> list[str]:
    """`count` captions of one scene. Everything a caption says is true of the scene."""
    return [_caption(scene, rng) for _ in range(count)]


def object_phrase(noun: int, count: int) -> str:
    """Name a kind with its number: `a dog`, `two dogs`."""
    return with_article(NOUNS[noun]) if count == 1 else f"{NUMBERS[count]} {NOUNS[noun].plural}"


def _caption(scene: Scene, rng: np.random.Generator) -> str:
    counts = scene.counts()
    kinds = list(counts)
    if len(kinds) > 1 and rng.random() < 0.15:
        kinds.pop(int(rng.integers(len(kinds))))
    if rng.random() < 0.4:
        rng.shuffle(kinds)
    phrases = [_maybe_vague(noun, counts[noun], rng) for noun in kinds]
    related = scene.relation(kinds[0], kinds[1]) if len(kinds) == 2 else None
    draw = rng.random()
    if related is not None and draw < 0.25:
        objects = f"{phrases[0]} {related} {phrases[1]}"
    elif len(phrases) == 2 and draw < 0.5:
        objects = f"{phrases[0]} {'next to' if draw < 0.4 else 'with'} {phrases[1]}"
    else:
        objects = _listed(phrases)
    if rng.random() < 0.2:
        return _opening(rng) + objects
    where = str(rng.choice(BACKGROUNDS[scene.background].phrases))
    draw = rng.random()
    if draw < 0.12:
        return f"{where} there {'is' if phrases[0].startswith(('a ', 'an ')) else 'are'} {objects}"
    if draw < 0.24:
        return f"{where}, {objects}"
    return f"{_opening(rng)}{objects} {where}"


def _opening(rng: np.random.Generator) -> str:
    return str(rng.choice(_OPENINGS)) if rng.random() < 0.45 else ""


def _maybe_vague(noun: int, count: int, rng: np.random.Generator) -> str:
    if count > 1 and rng.random() < 0.2:
        return str(rng.choice(("", "some ", "several "))) + NOUNS[noun].plural
    return object_phrase(noun, count)


def _listed(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]
