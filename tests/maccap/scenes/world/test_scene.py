from itertools import combinations

import numpy as np
import pytest

from maccap.scenes.world.lexicon import NOUNS, RELATIONS
from maccap.scenes.world.scene import (
    MAX_KINDS,
    MAX_OBJECTS,
    Placed,
    Scene,
    Split,
    holds_unseen_pair,
    pair_split,
    sample_scene,
    split_scenes,
)


def _pairs(scene: Scene) -> set[Split]:
    return {pair_split(a, b) for a, b in combinations(scene.counts(), 2)}


def test_the_same_seed_gives_the_same_scenes() -> None:
    assert split_scenes("test", 50, 3) == split_scenes("test", 50, 3)
    assert split_scenes("test", 50, 3) != split_scenes("test", 50, 4)
    assert split_scenes("test", 50, 3) == split_scenes("test", 80, 3)[:50]


@pytest.mark.parametrize(("split", "owned"), [("train", {"train"}), ("tune", {"train", "tune"})])
def test_no_test_pair_is_shown_before_the_test(split: Split, owned: set[Split]) -> None:
    assert set().union(*(_pairs(scene) for scene in split_scenes(split, 3000, 0))) == owned


def test_half_of_the_test_scenes_hold_a_pair_of_their_own() -> None:
    scenes = split_scenes("test", 1000, 0)
    unseen = [scene for scene in scenes if holds_unseen_pair(scene)]
    assert len(unseen) == 500
    assert all("test" in _pairs(scene) for scene in unseen)
    assert all("tune" not in _pairs(scene) for scene in scenes)


def test_every_pair_has_one_owner_and_training_most_of_them() -> None:
    owners = [pair_split(a, b) for a, b in combinations(range(len(NOUNS)), 2)]
    assert [pair_split(b, a) for a, b in combinations(range(len(NOUNS)), 2)] == owners
    assert 0.8 < owners.count("train") / len(owners) < 0.9


def test_scenes_keep_to_their_limits() -> None:
    for scene in split_scenes("test", 500, 1):
        assert 1 <= len(scene.counts()) <= MAX_KINDS
        assert 1 <= len(scene.objects) <= MAX_OBJECTS
        for placed in scene.objects:
            assert placed.size / 2 <= min(placed.x, placed.y)
            assert max(placed.x, placed.y) <= 1 - placed.size / 2


def test_a_relation_is_named_only_where_it_is_clear_and_turns_round() -> None:
    opposite = dict(zip(RELATIONS, (RELATIONS[1], RELATIONS[0], RELATIONS[3], RELATIONS[2]), strict=True))
    related = 0
    for scene in split_scenes("test", 500, 2):
        for a, b in combinations(scene.counts(), 2):
            if relation := scene.relation(a, b):
                related += 1
                assert scene.gap(a, relation, b) > 0
                assert scene.relation(b, a) == opposite[relation]
    assert related > 50


@pytest.mark.parametrize(
    ("x", "y", "relation"),
    [(0.8, 0.2, "above"), (0.2, 0.8, "below"), (0.8, 0.6, "to the right of"), (0.3, 0.4, None)],
)
def test_of_two_that_stand_diagonally_height_is_told(x: float, y: float, relation: str | None) -> None:
    scene = Scene(0, (Placed(3, x, y, 0.3, mirrored=False), Placed(7, 0.3, 0.5, 0.3, mirrored=False)), 0)
    assert scene.relation(3, 7) == relation


def test_training_has_no_unseen_pairs() -> None:
    with pytest.raises(ValueError, match="no unseen pairs"):
        sample_scene(np.random.default_rng(0), "train", unseen_pair=True)
