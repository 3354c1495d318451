"""An image tower of toy size learns to tell true captions from false ones; the text tower stays."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from maccap.scenes.training.contrast import ContrastTraining
from maccap.scenes.training.curriculum import draw_tuning_batch
from maccap.scenes.training.false_captions import false_captions
from maccap.scenes.training.image_tuning import tune_image_tower
from maccap.scenes.training.scene_clip import CLIP_WEIGHTS, SceneClip


def margin(folder: Path) -> float:
    """By how much a true caption is closer to its scene than a false one, in the mean."""
    rng, clip = np.random.default_rng(0), SceneClip.load(folder)
    scenes, captions = draw_tuning_batch(rng, 64)
    with torch.no_grad():
        images, texts = clip.encode_scenes(scenes)[0], clip.encode_texts(captions)
        margins = [
            ((texts[row] - clip.encode_texts(wrong)) @ images[row]).mean().item()
            for row, (caption, scene) in enumerate(zip(captions, scenes, strict=True))
            if (wrong := false_captions(caption, scene, rng))
        ]
    return float(np.mean(margins))


def test_the_image_tower_alone_learns_to_tell_captions_from_false_ones(tmp_path: Path) -> None:
    ContrastTraining(tmp_path, 2, width=32, layers=2, embed_dim=160).train(8)
    before, unsure = load_file(tmp_path / CLIP_WEIGHTS), margin(tmp_path)
    tune_image_tower(tmp_path, 12, batch=16, learning_rate=2e-3)
    after = load_file(tmp_path / CLIP_WEIGHTS)
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert {name.partition(".")[0] for name in changed} == {"visual"}
    assert {"visual.proj", "visual.conv1.weight"} <= changed
    assert margin(tmp_path) > unsure
