"""Also for lexicon.py."""

import numpy as np

from maccap.scenes.evaluation.mentions import parse
from maccap.scenes.world.captions import (
    CAPTIONS_PER_SCENE,
    complete_caption,
    object_phrase,
    partial_caption,
    scene_captions,
    tags,
)
from maccap.scenes.world.lexicon import NOUNS
from maccap.scenes.world.scene import split_scenes


def test_everything_a_caption_says_is_true_of_its_scene() -> None:
    numbers = np.random.default_rng(0)
    said_places = said_counts = said_relations = 0
    for scene in split_scenes("test", 2000, 0):
        counts = scene.counts()
        for caption in scene_captions(scene, numbers):
            said = parse(caption)
            assert said.counts, caption
            assert said.counts.keys() <= counts.keys(), caption
            for noun, count in said.counts.items():
                assert counts[noun] > 1 if count is None else counts[noun] == count, caption
            assert said.background in (None, scene.background), caption
            if said.relation:
                first, second = said.counts
                assert scene.gap(first, said.relation, second) > 0, caption
            said_places += said.background is not None
            said_counts += sum(count is not None for count in said.counts.values())
            said_relations += said.relation is not None
    assert min(said_places, said_counts) > 5000
    assert said_relations > 200


def test_captions_of_a_scene_differ_and_leave_things_out() -> None:
    numbers = np.random.default_rng(1)
    scenes = split_scenes("train", 300, 0)
    captions = [scene_captions(scene, numbers) for scene in scenes]
    assert all(len(five) == CAPTIONS_PER_SCENE for five in captions)
    assert sum(len(set(five)) > 2 for five in captions) > 250
    assert any(len(parse(text).counts) < len(s.counts()) for s, five in zip(scenes, captions, strict=True)
               for text in five)  # fmt: skip


def test_a_partial_caption_names_a_part_that_is_there() -> None:
    numbers = np.random.default_rng(3)
    for scene in split_scenes("train", 200, 2):
        counts, said = scene.counts(), parse(partial_caption(scene, numbers))
        assert said.counts.keys() <= counts.keys()
        assert 1 <= len(said.counts) <= max(1, len(counts) - 1)
        assert all(
            counts[noun] == count or (count is None and counts[noun] > 1)
            for noun, count in said.counts.items()
        )
        assert said.background in (None, scene.background)


def test_the_same_numbers_give_the_same_captions() -> None:
    scene = split_scenes("train", 1, 0)[0]
    assert scene_captions(scene, np.random.default_rng(5)) == scene_captions(scene, np.random.default_rng(5))


def test_object_phrases() -> None:
    nouns = [noun.singular for noun in NOUNS]
    assert object_phrase(nouns.index("owl"), 1) == "an owl"
    assert object_phrase(nouns.index("dog"), 1) == "a dog"
    assert object_phrase(nouns.index("strawberry"), 3) == "three strawberries"


def test_tags_say_what_the_caption_says() -> None:
    numbers = np.random.default_rng(0)
    for scene in split_scenes("train", 100, 0):
        caption = scene_captions(scene, numbers, 1)[0]
        assert parse(tags(caption, numbers)).counts == parse(caption).counts


def test_complete_captions_leave_nothing_out() -> None:
    numbers = np.random.default_rng(2)
    related = 0
    for scene in split_scenes("train", 300, 1):
        said = parse(complete_caption(scene, numbers))
        assert said.counts == scene.counts()
        assert said.background == scene.background
        clear = len(scene.counts()) == 2 and scene.relation(*scene.counts()) is not None
        assert (said.relation is not None) == clear
        related += clear
    assert related > 50
