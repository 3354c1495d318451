"""Projection onto a memory of text features."""

from typing import Literal

import torch
import torch.nn.functional as F

from maccap.config import RegionConfig
from maccap.image.caption_memory import project
from maccap.image.clip import ImageTokens
from maccap.image.features import FeatureExtractor


def test_a_sharp_projection_is_the_nearest_text() -> None:
    torch.manual_seed(0)
    memory = F.normalize(torch.randn(7, 16), dim=-1)
    features = F.normalize(memory[[2, 5, 5]] + 0.05 * torch.randn(3, 16), dim=-1)
    torch.testing.assert_close(project(features, memory, 1e-3, rows=2), memory[[2, 5, 5]])


def test_a_blunt_projection_is_their_mean() -> None:
    torch.manual_seed(0)
    memory = F.normalize(torch.randn(7, 16), dim=-1)
    features = F.normalize(torch.randn(3, 16), dim=-1)
    mean = F.normalize(memory.mean(0), dim=-1).expand(3, -1)
    torch.testing.assert_close(project(features, memory, 1e6), mean, atol=1e-4, rtol=1e-4)
    assert project(features[:0], memory, 1.0).shape == (0, 16)


def test_an_image_is_read_by_its_projection_alone() -> None:
    """For features.py: whatever the regions, of which nothing is added."""
    torch.manual_seed(0)
    tokens = F.normalize(torch.randn(3, 17, 64), dim=-1)
    image = ImageTokens(tokens[:, 0], tokens, torch.rand(3, 17, 17).softmax(-1))
    memory = F.normalize(torch.randn(100, 64), dim=-1)
    expected = project(image.global_, memory, 0.02)
    weightings: tuple[Literal["softmax", "attention", "none"], ...] = ("softmax", "attention", "none")
    for weighting in weightings:
        regions = RegionConfig(count=5, weighting=weighting)
        seen = FeatureExtractor(None, regions, memory, 0.02).of_tokens(image)  # type: ignore[arg-type]
        torch.testing.assert_close(seen.features, expected[:, None].expand(-1, 5, -1))
        assert torch.equal(seen.global_, image.global_)
