"""What is true of a scene, as its sample's json member carries it, and what captions are scored against."""

from itertools import permutations
from typing import Literal, Self

import numpy as np

from maccap.config import Config
from maccap.scenes.world.captions import scene_captions, tags
from maccap.scenes.world.lexicon import BACKGROUNDS, NOUNS, RELATIONS
from maccap.scenes.world.scene import SPLITS, Scene, Split, holds_unseen_pair, split_scenes

Wording = Literal["sentences", "tags"]
_CAPTION_STREAM, _TAG_STREAM = 12, 13  # no training stream starts with them


class SceneFacts(Config):
    """Objects by name with their counts, the background, every relation that holds, and five references."""

    objects: dict[str, int]
    background: str
    relations: list[tuple[str, str, str]]
    unseen_pair: bool
    captions: list[str]

    @classmethod
    def of(cls, scene: Scene, captions: list[str]) -> Self:
        return cls(
            objects={NOUNS[noun].singular: count for noun, count in scene.counts().items()},
            background=BACKGROUNDS[scene.background].name,
            relations=[
                (NOUNS[a].singular, relation, NOUNS[b].singular)
                for a, b in permutations(scene.counts(), 2)
                for relation in RELATIONS
                if scene.gap(a, relation, b) > 0
            ],
            unseen_pair=holds_unseen_pair(scene),
            captions=captions,
        )


def scenes_with_facts(split: Split, count: int, seed: int) -> list[tuple[Scene, SceneFacts]]:
    """`count` scenes of a split, each with what is true of it and five captions."""
    return [
        (scene, SceneFacts.of(scene, scene_captions(scene, _caption_numbers(split, seed, index))))
        for index, scene in enumerate(split_scenes(split, count, seed))
    ]


def split_captions(split: Split, scenes: int, seed: int, wording: Wording = "sentences") -> list[str]:
    """Five captions each of `scenes` scenes; those of the training split are what an adaptor learns from."""
    captions = []
    for index, (_, facts) in enumerate(scenes_with_facts(split, scenes, seed)):
        numbers = np.random.default_rng([_TAG_STREAM, SPLITS.index(split), seed, index])
        captions += [tags(text, numbers) if wording == "tags" else text for text in facts.captions]
    return captions


def _caption_numbers(split: Split, seed: int, index: int) -> np.random.Generator:
    """Of its own for each scene, so that captions do not depend on how many scenes are drawn."""
    return np.random.default_rng([_CAPTION_STREAM, SPLITS.index(split), seed, index])
