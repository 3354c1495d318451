"""Projection onto a memory of text features."""

import torch
import torch.nn.functional as F

from maccap.memory import project


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
