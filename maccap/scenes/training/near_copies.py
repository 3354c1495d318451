"""Batches in which telling scenes apart takes counting and looking: each scene beside near copies of it."""

from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from maccap.scenes.evaluation.mentions import Mentions, parse
from maccap.scenes.world.lexicon import BACKGROUNDS, NOUNS
from maccap.scenes.world.scene import MAX_OBJECTS, Placed, Scene, pair_split, place, sample_scene

GROUP = 4


def scene_batch(rng: np.random.Generator, batch: int) -> list[Scene]:
    """`batch` training scenes, in groups of near copies."""
    return [near for _ in range(batch // GROUP) for near in near_copies(sample_scene(rng, "train"), rng)]


def near_copies(scene: Scene, rng: np.random.Generator) -> list[Scene]:
    """The scene, and three that differ in one thing: a number; an object or the place; who has which number
    or who stands where.
    """
    counts = scene.counts()
    traded = len(set(counts.values())) > 1 and rng.random() < 0.5
    return [
        scene,
        _recounted(scene, rng),
        _renamed(scene, rng) if rng.random() < 0.7 else _elsewhere(scene, rng),
        _numbers_traded(scene, rng) if traded else _turned(scene, rng),
    ]


def _members(counts: dict[int, int]) -> list[int]:
    return [noun for noun, count in counts.items() for _ in range(count)]


def _recounted(scene: Scene, rng: np.random.Generator) -> Scene:
    counts = scene.counts()
    noun = int(rng.choice(list(counts)))
    room = MAX_OBJECTS - len(scene.objects) + counts[noun]
    options = [count for count in (1, 2, 3) if count != counts[noun] and count <= room]
    if options:
        counts[noun] = int(rng.choice(options))
    return place(_members(counts), scene.background, rng)


def _renamed(scene: Scene, rng: np.random.Generator) -> Scene:
    counts = scene.counts()
    noun = int(rng.choice(list(counts)))
    others = [other for other in counts if other != noun]
    while True:
        stranger = int(rng.integers(len(NOUNS)))
        trio = [stranger, *others]
        if stranger not in counts and all(pair_split(a, b) == "train" for a, b in combinations(trio, 2)):
            break
    members = [stranger if member == noun else member for member in _members(counts)]
    return place(members, scene.background, rng)


def _elsewhere(scene: Scene, rng: np.random.Generator) -> Scene:
    background = (scene.background + 1 + int(rng.integers(len(BACKGROUNDS) - 1))) % len(BACKGROUNDS)
    return place(_members(scene.counts()), background, rng)


def _numbers_traded(scene: Scene, rng: np.random.Generator) -> Scene:
    counts = scene.counts()
    nouns = list(counts)
    numbers = [counts[noun] for noun in nouns]
    shifted = numbers[1:] + numbers[:1]
    return place(_members(dict(zip(nouns, shifted, strict=True))), scene.background, rng)


def _turned(scene: Scene, rng: np.random.Generator) -> Scene:
    """The layout turned by half, objects upright, so that every relation is the opposite."""
    objects = tuple(
        Placed(placed.noun, 1 - placed.x, 1 - placed.y, placed.size, placed.mirrored)
        for placed in scene.objects
    )
    return Scene(scene.background, objects, int(rng.integers(2**31)))


def also_true(scenes: list[Scene], captions: list[str]) -> Tensor:
    """Where all that caption j says is true of scene i, off the diagonal: bool [B, B].

    Such a pair is no negative example.
    """
    said = [parse(caption) for caption in captions]
    counts = np.zeros((len(scenes), len(NOUNS)), dtype=np.int8)
    for row, scene in enumerate(scenes):
        for kind, count in scene.counts().items():
            counts[row, kind] = count
    named = np.stack([_said_counts(mentions) for mentions in said])
    agree = np.ones((len(scenes), len(captions)), dtype=bool)
    for noun in np.flatnonzero(named.any(axis=0)):
        there, told = counts[:, None, noun], named[None, :, noun]
        agree &= (told == 0) | (told == there) | ((told == -1) & (there > 1))
    places = np.array([-1 if mentions.background is None else mentions.background for mentions in said])
    agree &= (places[None, :] == -1) | (np.array([s.background for s in scenes])[:, None] == places[None, :])
    np.fill_diagonal(agree, False)
    for row, column in zip(*agree.nonzero(), strict=True):
        agree[row, column] = _relation_holds(said[column], scenes[row])
    return torch.from_numpy(agree)


def _said_counts(mentions: Mentions) -> np.ndarray:
    row = np.zeros(len(NOUNS), dtype=np.int8)
    for noun, count in mentions.counts.items():
        row[noun] = -1 if count is None else count
    return row


def _relation_holds(said: Mentions, scene: Scene) -> bool:
    if said.relation is None or len(said.counts) != 2:
        return True
    first, second = said.counts
    return scene.gap(first, said.relation, second) > 0
