"""FrozenClip against open_clip's own `encode_image` and `encode_text`, for several kinds of CLIP."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from maccap.image.clip import FrozenClip
from maccap.image.preprocessing import PixelSpec, resize_and_crop

KINDS = {
    "quick GELU": {},
    "plain GELU": {"quick_gelu": False},
    "larger patches": {"patch_size": 16},
    "no norm before": {"no_ln_pre": True},
    "layer scale": {"ls_init_value": 0.1, "final_ln_after_pool": True},
    "custom text": {"custom_text": True, "quick_gelu": False},
    "text projection with a bias": {"proj_bias": True},
}
TEXTS = ["a dog", "", "a small red cup sits on the large green desk in the street " * 3]


@pytest.fixture(params=KINDS, scope="module")
def clip(request: pytest.FixtureRequest, make_clip: Callable[..., FrozenClip]) -> FrozenClip:
    return make_clip(**KINDS[request.param])


def as_pixels(clip: FrozenClip, photos: list[Image.Image]) -> torch.Tensor:
    return torch.from_numpy(np.stack([resize_and_crop(photo, clip.pixels) for photo in photos]))


def test_global_feature_is_open_clips(clip: FrozenClip, photos: list[Image.Image]) -> None:
    transform = image_transform_v2(PreprocessCfg(size=32), is_train=False)
    theirs = clip.model.encode_image(torch.stack([transform(photo) for photo in photos]), normalize=True)
    torch.testing.assert_close(clip.encode_image(as_pixels(clip, photos)).global_, theirs, rtol=0, atol=1e-5)


def test_attention_rows_and_tokens_are_normalised(clip: FrozenClip, photos: list[Image.Image]) -> None:
    image = clip.encode_image(as_pixels(clip, photos))
    tokens = 1 + (32 // clip.model.visual.patch_size[0]) ** 2
    assert image.tokens.shape == (8, tokens, 32)
    assert image.attention.shape == (8, tokens, tokens)
    torch.testing.assert_close(image.attention.sum(dim=-1), torch.ones(8, tokens))
    torch.testing.assert_close(image.tokens.norm(dim=-1), torch.ones(8, tokens))


def test_text_features_are_open_clips(clip: FrozenClip) -> None:
    theirs = clip.model.encode_text(clip.tokenize(TEXTS), normalize=True)
    torch.testing.assert_close(clip.encode_text(TEXTS), theirs, rtol=0, atol=1e-5)


def test_short_texts_are_cut_to_their_longest_and_lose_nothing(make_clip: Callable[..., FrozenClip]) -> None:
    """What follows a causal tower's end token does not affect it, so the padding to 32 tokens may go."""
    clip, seen = make_clip(), []
    clip.model.token_embedding.register_forward_hook(lambda module, args, out: seen.append(args[0].shape))
    short = ["a dog", "", "two red cups"]
    ours = clip.encode_text(short)
    theirs = clip.model.encode_text(clip.tokenize(short), normalize=True)
    longest = int(clip.tokenize(short).argmax(dim=-1).max()) + 1
    assert seen == [(3, longest), (3, 32)]
    assert longest < 16
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_few_at_a_time_encode_the_same(
    clip: FrozenClip, photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = as_pixels(clip, photos)
    images, texts = clip.encode_image(pixels), clip.encode_text(TEXTS)
    monkeypatch.setattr("maccap.runtime.batch_sizes._NUMBERS_ON_CPU", 60 * 32)
    for parts, together in zip(clip.encode_image(pixels), images, strict=True):
        torch.testing.assert_close(parts, together, rtol=0, atol=1e-6)
    torch.testing.assert_close(clip.encode_text(TEXTS), texts, rtol=0, atol=1e-6)


def test_one_tower_alone_encodes_the_same(clip: FrozenClip, photos: list[Image.Image]) -> None:
    pixels = as_pixels(clip, photos)
    image, text = deepcopy(clip).keep("image"), deepcopy(clip).keep("text")
    torch.testing.assert_close(image.encode_image(pixels), clip.encode_image(pixels), rtol=0, atol=1e-6)
    torch.testing.assert_close(text.encode_text(TEXTS), clip.encode_text(TEXTS), rtol=0, atol=1e-6)
    held = [sum(p.numel() for p in part.parameters()) for part in (image, text, clip)]
    assert held[0] + held[1] <= held[2] + 2  # logit scale and bias are in both


def test_saved_clip_is_the_same(clip: FrozenClip, tmp_path: Path, photos: list[Image.Image]) -> None:
    clip.save(tmp_path / "clip")
    (tmp_path / "clip").rename(tmp_path / "moved")
    loaded = FrozenClip.load(str(tmp_path / "moved"))
    assert loaded.embed_dim == 32
    assert loaded.context_length == 32
    torch.testing.assert_close(loaded.encode_text(TEXTS), clip.encode_text(TEXTS))
    pixels = as_pixels(clip, photos)
    torch.testing.assert_close(loaded.encode_image(pixels), clip.encode_image(pixels))


def test_half_precision_keeps_features_close(
    make_clip: Callable[..., FrozenClip], photos: list[Image.Image]
) -> None:
    full, half = make_clip(), make_clip().to(torch.bfloat16)
    pixels = as_pixels(full, photos)
    a, b = full.encode_image(pixels), half.encode_image(pixels)
    assert b.global_.dtype == torch.float32
    assert F.cosine_similarity(a.global_, b.global_).min() > 0.999


def test_stays_frozen(make_clip: Callable[..., FrozenClip]) -> None:
    clip = make_clip().train()
    assert not any(module.training for module in clip.modules())
    assert not any(parameter.requires_grad for parameter in clip.parameters())


@pytest.mark.parametrize(
    ("vision", "found"),
    [
        ({"pool_type": "avg"}, "'avg' pooling"),
        ({"attentional_pool": True, "attn_pooler_heads": 4}, "attentional pooling"),
        ({"scale_fc": True}, "custom attention blocks"),
        ({"layers": [1, 1, 1, 1]}, "a ModifiedResNet tower"),
    ],
)
def test_other_towers_are_refused(make_clip: Callable[..., FrozenClip], vision: dict, found: str) -> None:
    with pytest.raises(ValueError, match=f"{found}.*VisionTransformer"):
        make_clip(**vision)


def test_wrong_pixels_are_refused(make_clip: Callable[..., FrozenClip]) -> None:
    with pytest.raises(ValueError, match=r"uint8 pixels \[R, 32, 32, 3\]"):
        make_clip().encode_image(torch.zeros(1, 3, 32, 32))


def test_full_size_clip_is_supported() -> None:
    """Architecture only, on the meta device: no weights are had."""
    with torch.device("meta"):
        for name in ("ViT-B-32-quickgelu", "ViT-L-14", "ViT-H-14"):
            model = open_clip.CLIP(**open_clip.get_model_config(name))
            clip = FrozenClip(model, open_clip.SimpleTokenizer(), {}, PixelSpec(224))
            assert clip.embed_dim in (512, 768, 1024)
