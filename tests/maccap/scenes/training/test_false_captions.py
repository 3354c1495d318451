"""What is nearly true of a scene: one thing in each caption is not."""

from collections.abc import Callable

import numpy as np
import pytest

from maccap.scenes.training.false_captions import false_captions
from maccap.scenes.training.near_copies import also_true
from maccap.scenes.world.captions import complete_caption, partial_caption, scene_captions
from maccap.scenes.world.scene import Scene, sample_scene


@pytest.mark.parametrize(
    "write", [complete_caption, partial_caption, lambda scene, rng: scene_captions(scene, rng, 1)[0]]
)
def test_each_is_false_of_its_scene(write: Callable[[Scene, np.random.Generator], str]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        scene = sample_scene(rng, "train")
        caption = write(scene, rng)
        wrong = false_captions(caption, scene, rng)
        assert len(set(wrong)) == len(wrong) >= 3
        true = also_true([scene] * (len(wrong) + 1), [caption, *wrong])
        assert true[1, 0]
        assert not true[0].any()


def test_a_number_a_kind_and_the_relation_are_changed_one_at_a_time() -> None:
    rng = np.random.default_rng(1)
    scene = next(
        scene
        for scene in iter(lambda: sample_scene(rng, "train"), None)
        if len(scene.counts()) == 2 and scene.relation(*scene.counts()) is not None
    )
    caption = complete_caption(scene, rng)
    wrong = false_captions(caption, scene, rng)
    assert len(wrong) == 1 + 2 * 3
    for text in wrong:
        assert text != caption
        assert abs(len(text.split()) - len(caption.split())) <= 2
