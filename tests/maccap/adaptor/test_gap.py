"""Images moved to where an adaptor's texts lie."""

import torch
import torch.nn.functional as F

from maccap.adaptor.gap import GapCorrection, Statistics

D = 24


def features(count: int, seed: int, centre: torch.Tensor) -> torch.Tensor:
    return centre + 0.3 * torch.randn(count, D, generator=torch.Generator().manual_seed(seed))


def test_a_known_gap_is_closed_and_lengths_stay() -> None:
    apart = torch.zeros(D)
    apart[0] = 2.0
    images, texts = features(400, 0, torch.ones(D) + apart), features(300, 1, torch.ones(D) - apart)
    gap = GapCorrection(Statistics.of(2 * images[:, None]), Statistics.of(texts))
    moved = gap(images)
    assert torch.allclose(moved.norm(dim=-1), images.norm(dim=-1), rtol=1e-5)
    before = (F.normalize(images, dim=-1).mean(0) - gap.texts.mean).norm()
    after = Statistics.of(moved)
    assert before > 0.5
    assert (after.mean - gap.texts.mean).norm() < 0.03
    assert torch.allclose(after.deviation, gap.texts.deviation, rtol=0.3)


def test_without_a_gap_nothing_moves_also_where_a_dimension_is_constant() -> None:
    images = features(200, 0, torch.ones(D))
    images[:, 3] = 0
    same = Statistics.of(images)
    assert torch.allclose(GapCorrection(same, same)(images), images, atol=1e-5)
