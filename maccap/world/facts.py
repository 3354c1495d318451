"""What is true of a scene, as its sample's json member carries it, and what captions are scored against."""

from itertools import permutations
from typing import Self

import numpy as np

from maccap.config import Config
from maccap.world.captions import scene_captions
from maccap.world.lexicon import BACKGROUNDS, NOUNS, RELATIONS
from maccap.world.scene import SPLITS, Scene, Split, holds_unseen_pair, split_scenes

_CAPTION_STREAM = 12  # no training stream starts with it


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


def training_captions(scenes: int, seed: int) -> list[str]:
    """Five captions each of `scenes` training scenes: the text that an adaptor of this world learns from."""
    return [text for _, facts in scenes_with_facts("train", scenes, seed) for text in facts.captions]


def _caption_numbers(split: Split, seed: int, index: int) -> np.random.Generator:
    """Of its own for each scene, so that captions do not depend on how many scenes are drawn."""
    return np.random.default_rng([_CAPTION_STREAM, SPLITS.index(split), seed, index])
