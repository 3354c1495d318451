"""Five captions of a scene, each leaving details out at random, as people's captions do."""

import numpy as np

from maccap.scenes.evaluation.mentions import parse
from maccap.scenes.world.lexicon import BACKGROUNDS, NOUNS, NUMBERS, with_article
from maccap.scenes.world.scene import Scene

CAPTIONS_PER_SCENE = 5
_OPENINGS = ("a photo of ", "a picture of ", "an image of ", "a drawing of ", "we see ")


def scene_captions(scene: Scene, rng: np.random.Generator, count: int = CAPTIONS_PER_SCENE) -> list[str]:
    """`count` captions of one scene. Everything a caption says is true of the scene."""
    return [_caption(scene, rng, complete=False) for _ in range(count)]


def complete_caption(scene: Scene, rng: np.random.Generator) -> str:
    """A caption that leaves nothing out: all kinds and numbers, a relation where one is clear, the place."""
    return _caption(scene, rng, complete=True)


def partial_caption(scene: Scene, rng: np.random.Generator) -> str:
    """A caption that names a part of what is there, most often one kind, and seldom the place."""
    counts = scene.counts()
    kinds = list(counts)
    if len(kinds) > 1:
        number = 1 if rng.random() < 0.7 else int(rng.integers(1, len(kinds)))
        kinds = [kinds[i] for i in sorted(rng.choice(len(kinds), number, replace=False))]
    objects = _opening(rng) + _listed([_maybe_vague(noun, counts[noun], 0.2, rng) for noun in kinds])
    if rng.random() < 0.4:
        return f"{objects} {rng.choice(BACKGROUNDS[scene.background].phrases)}"
    return objects


def object_phrase(noun: int, count: int) -> str:
    """Name a kind with its number: `a dog`, `two dogs`."""
    return with_article(NOUNS[noun]) if count == 1 else f"{NUMBERS[count]} {NOUNS[noun].plural}"


def tags(caption: str, rng: np.random.Generator) -> str:
    """What a caption mentions, in any order: `room, two turtles, a burger`; `street, a dog above a cat`."""
    said = parse(caption)
    parts = [
        NOUNS[n].plural if count is None else object_phrase(n, count) for n, count in said.counts.items()
    ]
    if said.relation:  # which of the two stands where is told by their order alone
        parts = [f" {said.relation} ".join(parts)]
    parts += [BACKGROUNDS[said.background].name] if said.background is not None else []
    rng.shuffle(parts)
    return ", ".join(parts)


def _caption(scene: Scene, rng: np.random.Generator, complete: bool) -> str:
    counts = scene.counts()
    kinds = list(counts)
    if not complete and len(kinds) > 1 and rng.random() < 0.15:
        kinds.pop(int(rng.integers(len(kinds))))
    draw = rng.random()
    # two kinds are named in one order, whether or not with a relation: a caption that begins with the other
    # kind would have to turn the relation round, which a model this small does not learn
    related = scene.relation(kinds[0], kinds[1]) if len(kinds) == 2 and (complete or draw < 0.45) else None
    if len(kinds) > 2 and rng.random() < 0.4:
        rng.shuffle(kinds)
    vague = 0.0 if complete else 0.2
    phrases = [_maybe_vague(noun, counts[noun], vague, rng) for noun in kinds]
    if related is not None:
        objects = f"{phrases[0]} {related} {phrases[1]}"
    elif len(phrases) == 2 and draw < 0.65:
        objects = f"{phrases[0]} {'next to' if draw < 0.55 else 'with'} {phrases[1]}"
    else:
        objects = _listed(phrases)
    if not complete and rng.random() < 0.2:
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


def _maybe_vague(noun: int, count: int, vague: float, rng: np.random.Generator) -> str:
    if count > 1 and rng.random() < vague:
        return str(rng.choice(("", "some ", "several "))) + NOUNS[noun].plural
    return object_phrase(noun, count)


def _listed(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]
