"""Scenes of the synthetic scenes: what is in them, where it stands, and which split they belong to.

A scene is one background and one to three kinds of objects, one to three of each. Splits are disjoint
in two ways. Random streams differ, and every *pair* of kinds belongs to one split: a test scene either
holds a pair that no training or tuning scene ever shows, or only pairs that training shows.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Literal

import numpy as np

from maccap.scenes.world.lexicon import BACKGROUNDS, NOUNS, RELATIONS

Split = Literal["train", "tune", "test"]
SPLITS: tuple[Split, ...] = ("train", "tune", "test")
_SPLIT_STREAM = 11  # no training stream starts with it
MAX_OBJECTS = 5
MAX_KINDS = 3
_SEPARATION = 0.2  # a relation is named only where two groups are this far apart, in image sides


@dataclass(frozen=True)
class Placed:
    """One object: index into NOUNS, centre and size as fractions of the image side, later ones in front."""

    noun: int
    x: float
    y: float
    size: float
    mirrored: bool


@dataclass(frozen=True)
class Scene:
    """A background (index into BACKGROUNDS), its objects, and a seed for the background's random details."""

    background: int
    objects: tuple[Placed, ...]
    detail_seed: int

    def counts(self) -> dict[int, int]:
        """How many of each kind there are, in the order people would name them."""
        nouns = sorted(placed.noun for placed in self.objects)
        return {noun: nouns.count(noun) for noun in dict.fromkeys(nouns)}

    def gap(self, first: int, relation: str, second: int) -> float:
        """How far, in image sides, all of `first` stand on that side of all of `second`; negative if not."""
        a = [placed for placed in self.objects if placed.noun == first]
        b = [placed for placed in self.objects if placed.noun == second]
        match relation:
            case "to the left of":
                return min(p.x for p in b) - max(p.x for p in a)
            case "to the right of":
                return min(p.x for p in a) - max(p.x for p in b)
            case "above":
                return min(p.y for p in b) - max(p.y for p in a)
            case "below":
                return min(p.y for p in a) - max(p.y for p in b)
        raise ValueError(f"unknown relation {relation!r}")

    def relation(self, first: int, second: int) -> str | None:
        """Where all of `first` stand as seen from all of `second`, or None where no side is clear.

        Of two that stand diagonally it says which is above: people read height before side, and a choice
        by the larger gap would turn on a few pixels.
        """
        side, height = RELATIONS[:2], RELATIONS[2:]
        return next((r for r in height + side if self.gap(first, r, second) > _SEPARATION), None)


@cache
def pair_split(first: int, second: int) -> Split:
    """The split that owns a pair of kinds: 10 % test, 5 % tune, the rest train."""
    a, b = sorted((NOUNS[first].singular, NOUNS[second].singular))
    bucket = int.from_bytes(hashlib.blake2b(f"{a}+{b}".encode(), digest_size=4).digest(), "big") % 100
    return "test" if bucket < 10 else "tune" if bucket < 15 else "train"


def holds_unseen_pair(scene: Scene) -> bool:
    """Whether the scene has a pair of kinds that training never shows."""
    return any(pair_split(a, b) != "train" for a, b in combinations(scene.counts(), 2))


def sample_scene(rng: np.random.Generator, split: Split, unseen_pair: bool = False) -> Scene:
    """Draw one scene of a split; `unseen_pair` asks for a pair that only this split owns."""
    if unseen_pair and split == "train":
        raise ValueError("the train split has no unseen pairs; ask for them in tune or test")
    allowed = {"train", split} if unseen_pair else {"train"}
    while True:
        nouns = [int(n) for n in rng.choice(len(NOUNS), _kinds(rng, 2 if unseen_pair else 1), replace=False)]
        owners = {pair_split(a, b) for a, b in combinations(nouns, 2)}
        if owners <= allowed and (not unseen_pair or split in owners):
            break
    counts = [1 + int(rng.choice(3, p=(0.6, 0.25, 0.15))) for _ in nouns]
    while sum(counts) > MAX_OBJECTS:
        counts[int(np.argmax(counts))] -= 1
    members = [noun for noun, count in zip(nouns, counts, strict=True) for _ in range(count)]
    return place(members, int(rng.integers(len(BACKGROUNDS))), rng)


def place(members: list[int], background: int, rng: np.random.Generator) -> Scene:
    """Lay the objects out on a jittered grid, so that each can be seen."""
    side = 1 if len(members) == 1 else 2 if len(members) <= 4 else 3
    cells = rng.choice(side * side, len(members), replace=False)
    objects = []
    for noun, cell in zip(members, cells, strict=True):
        size = float(rng.uniform(0.78, 1.0)) * (0.72, 0.46, 0.33)[side - 1]
        slack = max(0.0, 1 / side - size)
        row, column = divmod(int(cell), side)
        x, y = ((c + 0.5) / side + float(rng.uniform(-0.5, 0.5)) * slack for c in (column, row))
        objects.append(Placed(noun, x, y, size, bool(rng.integers(2))))
    return Scene(background, tuple(objects), int(rng.integers(2**31)))


def split_scenes(split: Split, count: int, seed: int) -> list[Scene]:
    """`count` scenes of a split; outside training, half of them hold an unseen pair."""
    rng = np.random.default_rng([_SPLIT_STREAM, SPLITS.index(split), seed])
    unseen = 0.0 if split == "train" else 0.5
    return [sample_scene(rng, split, unseen_pair=(i + 1) * unseen % 1 < unseen) for i in range(count)]


def _kinds(rng: np.random.Generator, at_least: int) -> int:
    return max(at_least, 1 + int(rng.choice(MAX_KINDS, p=(0.3, 0.45, 0.25))))
