"""A CLIP of toy size by contrast alone: stopped and continued it is the same, and it is one that loads."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from maccap.image.clip import FrozenClip
from maccap.scenes.training.contrast import ContrastTraining
from maccap.scenes.training.scene_clip import CLIP_WEIGHTS, SIDE

STEPS, BATCH = 4, 8


def begun(folder: Path) -> ContrastTraining:
    folder.mkdir(exist_ok=True)
    return ContrastTraining(folder, STEPS, width=32, layers=2, embed_dim=160)


def test_a_training_that_was_stopped_is_continued(tmp_path: Path) -> None:
    begun(tmp_path / "whole").train(BATCH)
    stopped = begun(tmp_path / "stopped")
    for step in range(2):
        stopped.train_step(step, BATCH)
    stopped.save()
    continued = begun(tmp_path / "stopped")
    assert continued.step == 2
    continued.train(BATCH)
    whole, resumed = (load_file(tmp_path / name / CLIP_WEIGHTS) for name in ("whole", "stopped"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert begun(tmp_path / "stopped").step == STEPS
    with pytest.raises(ValueError, match="begun with seed 0, not 1"):
        ContrastTraining(tmp_path / "stopped", STEPS, width=32, layers=2, embed_dim=160, seed=1)


def test_both_towers_and_their_scales_learn(tmp_path: Path) -> None:
    training = begun(tmp_path)
    before = {name: value.clone() for name, value in training.clip.model.state_dict().items()}
    region_scale = training.region_scale.item()
    figures = training.train_step(0, BATCH)
    assert set(figures) == {"contrast", "right", "late", "right_by_region"}
    changed = {
        name
        for name, value in training.clip.model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert {"visual.proj", "visual.conv1.weight", "text_projection", "logit_scale"} <= changed
    assert training.region_scale.item() != region_scale

    training.save()
    clip = FrozenClip.load(str(tmp_path))
    assert clip.encode_image(torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8)).global_.shape == (2, 160)


def test_captions_are_learned_from_their_opposites(tmp_path: Path) -> None:
    training = begun(tmp_path)
    assert "opposite" not in training.train_step(0, BATCH)
    confused = [training.train_step(STEPS - 1, BATCH)["opposite"] for _ in range(12)]
    assert confused[-1] < confused[0]


def test_a_training_that_reads_other_scenes_by_now_is_refused(tmp_path: Path) -> None:
    training = begun(tmp_path)
    training.train_step(0, BATCH)
    training.save()
    longer = ContrastTraining(tmp_path, 2 * STEPS, width=32, layers=2, embed_dim=160)
    longer.train_step(1, BATCH)
    longer.train_step(2, BATCH)
    longer.save()
    with pytest.raises(
        ValueError, match=r"was trained 3 steps of 8, where a training of 4 reads other scenes"
    ):
        begun(tmp_path)
