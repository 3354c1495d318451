"""No random stream of training opens with the scenes that a captioner is tested on."""

import numpy as np

from maccap.scenes.world.scene import Scene, sample_scene, split_scenes


def test_held_out_scenes_are_no_training_draws() -> None:
    for seed in range(3):
        training: set[Scene] = set(split_scenes("train", 200, seed))  # captions for the adaptor
        for stream in (1, 2, 4):  # language model, CLIP's text tower, its image tower
            rng = np.random.default_rng([stream, seed])
            training |= {sample_scene(rng, "train") for _ in range(200)}
        held_out = {*split_scenes("tune", 200, seed), *split_scenes("test", 200, seed)}
        assert not training & held_out
