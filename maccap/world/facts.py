"""What is true of a scene, as its sample's json member carries it, and what captions are scored against."""

from itertools import permutations
from typing import Self

from maccap.config import Config
from maccap.world.lexicon import BACKGROUNDS, NOUNS, RELATIONS
from maccap.world.scene import Scene, holds_unseen_pair


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
