"""Also for features.py: region features on hand-made tokens and attention."""

import pytest
import torch
import torch.nn.functional as F

from maccap.config import RegionConfig
from maccap.image.clip import ImageTokens
from maccap.image.regions import combine, region_features


@pytest.fixture
def image() -> ImageTokens:
    torch.manual_seed(0)
    tokens = F.normalize(torch.randn(2, 5, 8), dim=-1)
    attention = (torch.randn(2, 5, 5) * 3).softmax(dim=-1)
    return ImageTokens(tokens[:, 0], tokens, attention)


def by_hand(image: ImageTokens, row: int, count: int, softmax: bool) -> torch.Tensor:
    salient = sorted(range(5), key=lambda token: -float(image.attention[row, 0, token]))[:count]
    regions = []
    for token in salient:
        weights = image.attention[row, token]
        weights = weights.exp() / weights.exp().sum() if softmax else weights
        region = sum(weight * vector for weight, vector in zip(weights, image.tokens[row], strict=True))
        regions.append(region / region.norm())
    return torch.stack(regions)


@pytest.mark.parametrize("weighting", ["softmax", "attention"])
def test_regions_follow_the_formula(image: ImageTokens, weighting: str) -> None:
    regions = region_features(image, RegionConfig(count=3, weighting=weighting))
    for row in range(2):
        torch.testing.assert_close(regions[row], by_hand(image, row, 3, weighting == "softmax"))


def test_attention_weighting_keeps_regions_apart(image: ImageTokens) -> None:
    def spread(weighting: str) -> float:
        regions = region_features(image, RegionConfig(count=4, weighting=weighting))
        return float((regions @ regions.mT).amin())

    assert spread("attention") < spread("softmax") - 0.1


def test_none_leaves_the_global_feature(image: ImageTokens) -> None:
    regions = region_features(image, RegionConfig(count=3, weighting="none"))
    features = combine(image.global_, regions, 1.0)
    torch.testing.assert_close(features, image.global_[:, None].expand(2, 3, 8))


def test_patch_weight_scales_regions(image: ImageTokens) -> None:
    regions = region_features(image, RegionConfig(count=2))
    torch.testing.assert_close(
        combine(image.global_, regions, 0.5)[:, 1], image.global_ + 0.5 * regions[:, 1]
    )


def test_more_regions_than_tokens_is_refused(image: ImageTokens) -> None:
    assert region_features(image, RegionConfig(count=5)).shape == (2, 5, 8)
    with pytest.raises(ValueError, match=r"regions\.count is 6, but this CLIP has only 5 tokens"):
        region_features(image, RegionConfig(count=6))
