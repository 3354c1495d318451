"""What stands beside a scene in a batch, and which pairs are no negative examples."""

import numpy as np
import torch

from maccap.scenes.training.near_copies import also_true, near_copies
from maccap.scenes.world.captions import complete_caption, scene_captions
from maccap.scenes.world.lexicon import NOUNS
from maccap.scenes.world.scene import MAX_OBJECTS, Placed, Scene, holds_unseen_pair, split_scenes

NOUN = {noun.singular: index for index, noun in enumerate(NOUNS)}


def _scene(background: int, **counts: int) -> Scene:
    members = [NOUN[name] for name, count in counts.items() for _ in range(count)]
    objects = tuple(Placed(noun, 0.2 + 0.3 * i, 0.5, 0.3, False) for i, noun in enumerate(members))
    return Scene(background, objects, 0)


def test_near_copies_differ_in_one_thing_each() -> None:
    numbers = np.random.default_rng(0)
    recounted_scenes = renamed_scenes = moved_scenes = traded_scenes = turned_scenes = 0
    for scene in split_scenes("train", 400, 0):
        same, recounted, other, third = near_copies(scene, numbers)
        counts = scene.counts()
        assert same == scene
        assert recounted.background == third.background == scene.background
        assert recounted.counts().keys() == counts.keys()
        differing = [n for n, count in recounted.counts().items() if count != counts[n]]
        recounted_scenes += len(differing)
        assert len(differing) <= 1
        if other.background == scene.background:
            renamed_scenes += 1
            assert len(other.counts().keys() - counts.keys()) == 1
            assert len(counts.keys() - other.counts().keys()) == 1
        else:
            moved_scenes += 1
            assert other.counts() == counts
        assert sorted(third.counts().values()) == sorted(counts.values())
        if third.counts() == counts:
            turned_scenes += 1
            if len(counts) == 2 and (relation := scene.relation(*counts)):
                assert third.relation(*counts) != relation
        else:
            traded_scenes += 1
        for near in (recounted, other, third):
            assert not holds_unseen_pair(near)
            assert len(near.objects) <= MAX_OBJECTS
    assert recounted_scenes > 300
    assert min(renamed_scenes, moved_scenes, traded_scenes, turned_scenes) > 50


def test_a_caption_true_of_another_scene_is_no_negative() -> None:
    scenes = [_scene(0, dog=1), _scene(0, dog=2), _scene(1, dog=1), _scene(0, dog=1, cat=1)]
    captions = ["a dog on the beach", "dogs", "a dog", "a dog to the left of a cat"]
    expected = torch.tensor(
        [
            [False, False, True, False],
            [False, False, False, False],
            [False, False, False, False],  # another place than the first caption's
            [True, False, True, False],
        ]
    )
    assert torch.equal(also_true(scenes, captions), expected)


def test_the_other_way_round_is_a_negative() -> None:
    scene = _scene(0, dog=1, cat=1)
    turned = Scene(0, tuple(Placed(p.noun, 1 - p.x, p.y, p.size, False) for p in scene.objects), 0)
    captions = ["a dog to the left of a cat", "a cat to the left of a dog"]
    assert not also_true([scene, turned], captions).any()
    assert also_true([scene, scene], [captions[0], captions[0]]).sum() == 2


def test_a_complete_caption_is_true_of_its_scene_alone() -> None:
    numbers = np.random.default_rng(1)
    scenes = [near for scene in split_scenes("train", 30, 5) for near in near_copies(scene, numbers)]
    whole = [complete_caption(scene, numbers) for scene in scenes]
    masked = also_true([*scenes, *scenes], whole + whole)
    assert masked.diagonal(len(scenes)).all()
    partial = [scene_captions(scene, numbers, 1)[0] for scene in scenes]
    assert also_true([*scenes, *scenes], partial + partial).sum() > masked.sum()
