"""What is nearly true of a scene: one thing in each caption is not, and no word gives it away."""

import re
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from maccap.scenes.evaluation.mentions import parse
from maccap.scenes.training.false_captions import false_captions
from maccap.scenes.training.near_copies import also_true
from maccap.scenes.world.captions import complete_caption, partial_caption, scene_captions
from maccap.scenes.world.lexicon import RELATIONS
from maccap.scenes.world.scene import Scene, pair_split, sample_scene

MALFORMED = re.compile(r"\b(some|several) (a|an|two|three)\b|\bis (two|three)\b|\bare an? |^ |  ")


@pytest.mark.parametrize(
    "write", [complete_caption, partial_caption, lambda scene, rng: scene_captions(scene, rng, 1)[0]]
)
def test_one_thing_in_each_is_false_of_its_scene(
    write: Callable[[Scene, np.random.Generator], str],
) -> None:
    rng = np.random.default_rng(0)
    for _ in range(150):
        scene = sample_scene(rng, "train")
        caption = write(scene, rng)
        wrong = false_captions(caption, scene, rng)
        assert len(set(wrong)) == len(wrong) >= 2
        true = also_true([scene] * (len(wrong) + 1), [caption, *wrong])
        assert true[1, 0]
        assert not true[0].any()
        said = parse(caption)
        for text in wrong:
            assert not MALFORMED.search(text), text
            told = parse(text)
            changed = [noun for noun in said.counts if told.counts.get(noun, 0) != said.counts[noun]]
            new = told.counts.keys() - said.counts.keys()
            assert (told.relation != said.relation) + len(changed) == 1
            assert told.background == said.background
            assert len(new) <= len(changed)
            if len(said.counts) == 2:
                assert (list(said.counts) == sorted(said.counts)) == (
                    list(told.counts) == sorted(told.counts)
                )
            for stranger in new:
                assert told.counts[stranger] == scene.counts()[changed[0]]
            assert all(pair_split(*pair) == "train" for pair in combinations(told.counts, 2))


def test_every_number_a_stranger_and_other_relations_are_among_them() -> None:
    rng = np.random.default_rng(1)
    scene = next(
        scene
        for scene in iter(lambda: sample_scene(rng, "train"), None)
        if len(scene.counts()) == 2 and scene.relation(*scene.counts()) is not None
    )
    caption = complete_caption(scene, rng)
    wrong = false_captions(caption, scene, rng)
    first, second = scene.counts()
    told_none = caption.replace(f" {parse(caption).relation} ", " and ")
    assert parse(told_none).relation is None
    wrong_too = [parse(text).relation for text in false_captions(told_none, scene, rng)]
    false = [relation for relation in RELATIONS if scene.gap(first, relation, second) <= 0]
    assert len(false) in (2, 3)  # of two that stand diagonally, another holds, too
    assert len(wrong) == len(false) + 2 * 3
    told = [parse(text).relation for text in wrong]
    assert [relation for relation in told if relation != parse(caption).relation] == false
    assert [relation for relation in wrong_too if relation is not None] == false
    assert sum(parse(text).counts.keys() != parse(caption).counts.keys() for text in wrong) == 2
