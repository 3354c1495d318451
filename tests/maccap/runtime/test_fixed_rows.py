"""In bfloat16 a caption is the same in any company, to the last bit of its score; in float32 its text is.

float16 on a CPU is left out: there a product's rounding depends on a row's place too.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from maccap.bundle import Bundle
from maccap.captioner import Caption, Captioner
from maccap.config import DecodingConfig
from maccap.image.clip import FrozenClip
from maccap.runtime.batch_sizes import needs_fixed_rows
from maccap.runtime.fixed_rows import fill_up, filled, padded_length
from maccap.runtime.half_products import has_half_products
from maccap.scenes.evaluation.held_out_scenes import render_test_set

IMAGES = 30
DTYPES = (torch.float32, torch.bfloat16)


@pytest.fixture(scope="module", params=DTYPES, ids=str)
def captioner(request: pytest.FixtureRequest) -> Captioner:
    return Captioner.from_pretrained(dtype=request.param, device="cpu")


@pytest.mark.parametrize("strategy", ["greedy", "sample", "beam"])
def test_captions_do_not_depend_on_their_company(captioner: Captioner, strategy: str) -> None:
    scenes = render_test_set("test", IMAGES, 123, captioner.features.clip.pixels)
    images, ids = [Image.fromarray(pixels) for pixels in scenes.pixels.numpy()], scenes.ids
    decoding = DecodingConfig.model_validate(
        {"candidates": 4, "strategy": strategy, "samples_per_draw": 2, "beams": 3, "max_new_tokens": 16}
    )

    def captions(order: list[int], batch: int) -> dict[str, Caption]:
        own = [ids[row] for row in order]
        found = captioner.caption(
            [images[row] for row in order], ids=own, decoding=decoding, batch_images=batch
        )
        return dict(zip(own, found, strict=True))

    exact = captioner.sampler.engine.language_model().dtype == torch.bfloat16
    together = captions(list(range(IMAGES)), IMAGES)
    backwards = list(range(IMAGES))[::-1]
    assert len({caption.text for caption in together.values()}) > IMAGES / 2
    for order, batch in ((backwards, 7), (backwards[:5], 1)):
        for name, caption in captions(order, batch).items():
            expected = together[name]
            assert caption.text == expected.text, (name, batch)
            assert [c.text for c in caption.candidates] == [c.text for c in expected.candidates]
            assert not exact or caption == expected


@pytest.mark.skipif(
    not has_half_products(torch.device("cpu")), reason="bfloat16 is emulated here, and keeps no such promise"
)
def test_features_do_not_depend_on_their_company(make_clip: Callable[..., FrozenClip]) -> None:
    clip = make_clip().to(dtype=torch.bfloat16).keep("image")
    size = clip.pixels.size
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (150, size, size, 3), dtype=np.uint8))
    whole = clip.encode_image(pixels)
    for rows in ([3], [149, 2, 70], list(range(149, -1, -1))):
        for part, expected in zip(clip.encode_image(pixels[rows]), whole, strict=True):
            assert torch.equal(part, expected[rows])


@pytest.mark.parametrize("custom_text", [False, True])
def test_text_features_do_not_depend_on_their_company(
    custom_text: bool, make_clip: Callable[..., FrozenClip]
) -> None:
    clip = make_clip(custom_text=custom_text).to(dtype=torch.bfloat16).keep("text")
    texts = [" ".join(["a small red cup"] * (1 + number % 6)) + f" {number}" for number in range(100)]
    whole = clip.encode_text(texts)
    for rows in ([0], [5, 99, 64], list(range(99, -1, -1))):
        assert torch.equal(clip.encode_text([texts[row] for row in rows]), whole[rows])
    assert clip.encode_text([]).shape == (0, clip.embed_dim)


def test_a_batch_that_does_not_fit_is_not_halved(small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    bundle = Bundle.open(small_bundle)
    features = torch.zeros(1, bundle.config.regions.count, bundle.config.adaptor.clip_dim)
    monkeypatch.setattr("maccap.text.huggingface_engine.decode", no_memory)
    with pytest.raises(MemoryError, match="set candidate_batch lower"):
        bundle.load_sampler(dtype=torch.bfloat16)(features, ["a"], 0, bundle.config.decoding)
    with pytest.raises(MemoryError, match="not even one row"):
        bundle.load_sampler()(features, ["a"], 0, bundle.config.decoding)


def test_rows_are_filled_up_and_lengths_rounded_one_by_one() -> None:
    rows = torch.arange(6).view(3, 2)
    assert fill_up(rows, 5).tolist() == [[0, 1], [2, 3], [4, 5], [4, 5], [4, 5]]
    assert fill_up(rows, 3) is rows
    assert filled([1, 2], 4) == [1, 2, 2, 2]
    assert padded_length(torch.tensor([1, 8, 9, 70, 77]), 77).tolist() == [8, 8, 16, 72, 77]
    assert needs_fixed_rows(torch.device("cuda"), torch.float32)
    assert not needs_fixed_rows(torch.device("cpu"), torch.float32)
