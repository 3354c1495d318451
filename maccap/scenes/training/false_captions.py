"""Captions that are nearly true of a scene: what a CLIP has to tell from true ones if it is to choose."""

import numpy as np

from maccap.scenes.evaluation.mentions import OBJECT, named_kind, parse
from maccap.scenes.training.curriculum import opposite
from maccap.scenes.world.captions import object_phrase
from maccap.scenes.world.lexicon import NOUNS
from maccap.scenes.world.scene import Scene

_NUMBERS = (1, 2, 3)


def false_captions(caption: str, scene: Scene, rng: np.random.Generator) -> list[str]:
    """`caption`, true of `scene`, with one thing wrong in each: the relation turned round, or of one kind
    another number or, as many, of a kind that is not there. Numbers that a caption leaves open are told.
    """
    counts = scene.counts()
    strangers = [noun for noun in range(len(NOUNS)) if noun not in counts]
    wrong = [opposite(caption)] if parse(caption).relation else []
    for match in OBJECT.finditer(caption):
        noun = named_kind(match)
        if noun not in counts:
            continue
        phrases = [object_phrase(noun, number) for number in _NUMBERS if number != counts[noun]]
        phrases.append(object_phrase(int(rng.choice(strangers)), counts[noun]))
        start, end = match.span()
        wrong += [caption[:start] + phrase + caption[end:] for phrase in phrases]
    return [text for text in wrong if text is not None]
