"""The parts that CLIP's training is made of, and two steps of the training itself."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from maccap.clip import FrozenClip
from maccap.world.captions import scene_captions
from maccap.world.lexicon import NOUNS
from maccap.world.mentions import parse
from maccap.world.scene import MAX_OBJECTS, Placed, Scene, holds_unseen_pair, split_scenes
from maccap.world.train_clip import SIDE, PatchEmbedding, also_true, near_copies, train_clip

NOUN = {noun.singular: index for index, noun in enumerate(NOUNS)}


def _scene(background: int, **counts: int) -> Scene:
    members = [NOUN[name] for name, count in counts.items() for _ in range(count)]
    return Scene(background, tuple(Placed(noun, 0.5, 0.5, 0.3, False) for noun in members), 0)


def test_patch_embedding_is_the_convolution() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 16, 12, 12, bias=False)
    embedding = PatchEmbedding(3, 16, 12, 12, bias=False)
    embedding.load_state_dict(convolution.state_dict())
    images = torch.randn(2, 3, 96, 96)
    torch.testing.assert_close(embedding(images), convolution(images), atol=1e-5, rtol=1e-5)


def test_near_copies_differ_in_one_thing_each() -> None:
    numbers = np.random.default_rng(0)
    recounted_scenes = 0
    for scene in split_scenes("train", 200, 0):
        same, recounted, renamed, moved = near_copies(scene, numbers)
        assert same == scene
        assert recounted.background == renamed.background == scene.background != moved.background
        assert recounted.counts().keys() == scene.counts().keys()
        differing = [n for n, count in recounted.counts().items() if count != scene.counts()[n]]
        recounted_scenes += len(differing)
        assert len(differing) <= 1
        assert len(renamed.counts().keys() - scene.counts().keys()) == 1
        assert len(scene.counts().keys() - renamed.counts().keys()) == 1
        assert moved.counts() == scene.counts()
        for near in (recounted, renamed, moved):
            assert not holds_unseen_pair(near)
            assert len(near.objects) <= MAX_OBJECTS
    assert recounted_scenes > 150


def test_a_caption_true_of_another_scene_is_no_negative() -> None:
    scenes = [_scene(0, dog=1), _scene(0, dog=2), _scene(1, dog=1), _scene(0, dog=1, cat=1), _scene(0, dog=1)]
    captions = ["a dog on the beach", "dogs", "a dog", "a dog and a cat", "a photo of a dog at the beach"]
    expected = torch.zeros(5, 5, dtype=torch.bool)
    expected[0, 2] = expected[0, 4] = True  # `a dog` and the other beach caption
    expected[4, 0] = expected[4, 2] = True
    assert torch.equal(also_true(scenes, captions), expected)


def test_also_true_masks_what_near_copies_share() -> None:
    numbers = np.random.default_rng(1)
    scenes = split_scenes("train", 20, 5)
    captions = [scene_captions(scene, numbers, 1)[0] for scene in scenes]
    masked = also_true([*scenes, *scenes], captions + captions)
    assert not masked.diagonal().any()
    for row, (scene, caption) in enumerate(zip(scenes, captions, strict=True)):
        if len(parse(caption).counts) == len(scene.counts()):
            assert masked[row + 20, row]


def test_two_steps_leave_a_clip_that_loads(tmp_path: Path) -> None:
    train_clip(tmp_path, 2, width=32, layers=2, embed_dim=16, batch=8)
    clip = FrozenClip.load(str(tmp_path))
    pixels = torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8)
    image = clip.encode_image(pixels)
    assert image.global_.shape == (2, 16)
    text = clip.encode_text(["a dog on the beach", "two cats"])
    torch.testing.assert_close(text.norm(dim=-1), torch.ones(2))
