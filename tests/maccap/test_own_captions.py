"""The gap learned from own captions: what is said of an image is what it is moved to."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image

from maccap.adaptor.gap import GapCorrection
from maccap.bundle import Bundle
from maccap.image.preprocessing import resize_and_crop
from maccap.own_captions import gap_by_own_captions


def test_each_round_learns_from_the_captions_of_the_one_before(
    small_bundle: Path, photos: list[Image.Image]
) -> None:
    bundle = Bundle.open(small_bundle)
    extract, sampler, decoding = bundle.load_features(), bundle.load_sampler(), bundle.config.decoding
    pixels = [torch.from_numpy(resize_and_crop(photo, extract.clip.pixels)) for photo in photos]
    images, ids = extract(torch.stack(pixels)), [str(number) for number in range(len(photos))]
    texts = extract.clip.encode_text(
        ["a red dog", "a cat on a desk", "two trees", "a blue car", "a small cup"]
    )
    noted: list[int] = []

    def learned(rounds: int, note: Callable[[int], object] = noted.append) -> GapCorrection:
        return gap_by_own_captions(extract.clip, sampler, images, ids, texts, decoding, rounds, note)

    none = learned(0)
    assert not noted
    assert torch.equal(
        none.matrix, GapCorrection.by_captions(images.features, texts, extract.clip.logit_scale).matrix
    )
    once = learned(1)
    assert sum(noted) == len(photos)
    assert torch.equal(sampler.gap.matrix, none.matrix)  # what the captions were made with
    assert not torch.allclose(once.matrix, none.matrix, atol=1e-3)
    assert torch.equal(learned(1).matrix, once.matrix)
    twice = learned(2)
    assert torch.equal(sampler.gap.matrix, once.matrix)
    assert not torch.equal(twice.matrix, once.matrix)


def test_towards_what_is_believed_an_image_goes_where_that_lies() -> None:
    torch.manual_seed(0)
    believed = F.normalize(torch.randn(600, 12), dim=-1)
    away = torch.zeros(12)
    away[0] = 2.0
    some = torch.randn(12, 12)
    turn = torch.matrix_exp(0.15 * (some - some.T))  # CLIP's images and texts are no strangers
    features = F.normalize(believed @ turn + away, dim=-1)[:, None].expand(-1, 3, -1)
    gap = GapCorrection.towards(features, believed, believed)
    cosines = [(one * believed).sum(-1).mean() for one in (features[:, 0], gap(features[:, 0]))]
    assert cosines[0] < 0.6
    assert cosines[1] > 0.95
