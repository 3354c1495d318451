"""Also for block_training.py and scene_clip.py: two steps of each phase of CLIP's training leave a CLIP
that loads.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from maccap.image.clip import FrozenClip
from maccap.scenes.training.scene_clip import CLIP_WEIGHTS, SIDE, PatchEmbedding
from maccap.scenes.training.train_clip import train_image_tower, train_text_tower


def test_patch_embedding_is_the_convolution() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 16, 12, 12, bias=False)
    embedding = PatchEmbedding(3, 16, 12, 12, bias=False)
    embedding.load_state_dict(convolution.state_dict())
    images = torch.randn(2, 3, 96, 96)
    torch.testing.assert_close(embedding(images), convolution(images), atol=1e-5, rtol=1e-5)


def test_each_phase_trains_its_own_tower(tmp_path: Path) -> None:
    train_text_tower(tmp_path, 2, width=32, layers=2, embed_dim=160, batch=8)
    before = load_file(tmp_path / CLIP_WEIGHTS)
    train_image_tower(tmp_path, 2, batch=8)
    after = load_file(tmp_path / CLIP_WEIGHTS)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("visual.") for name in changed)

    clip = FrozenClip.load(str(tmp_path))
    pixels = torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8)
    image = clip.encode_image(pixels)
    assert image.global_.shape == (2, 160)
    text = clip.encode_text(["a dog on the beach", "two cats"])
    torch.testing.assert_close(text.norm(dim=-1), torch.ones(2))
