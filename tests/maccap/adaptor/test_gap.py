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
    gap = GapCorrection.between(Statistics.of(2 * images[:, None]), Statistics.of(texts), 1.0)
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
    for shrinkage in (0.1, 1.0):
        gap = GapCorrection.between(same, same, shrinkage)
        assert torch.allclose(gap(images), images, atol=1e-4)


def test_correlations_become_those_of_texts_the_more_the_less_they_are_shrunk() -> None:
    generator = torch.Generator().manual_seed(2)
    mixed = torch.randn(D, D, generator=generator) / D**0.5
    centre = torch.ones(D)
    images, texts = (
        features(4000, 0, centre),
        centre + 0.3 * torch.randn(3000, D, generator=generator) @ mixed,
    )
    wanted = Statistics.of(texts).correlations
    assert wanted is not None

    def apart(shrinkage: float) -> float:
        gap = GapCorrection.between(Statistics.of(images), Statistics.of(texts), shrinkage)
        moved = Statistics.of(gap(images)).correlations
        assert moved is not None
        return float((moved - wanted).norm())

    each, half, full = apart(1.0), apart(0.5), apart(0.01)
    assert full < half < each
    assert full < 0.1 * each


def test_statistics_without_correlations_correct_each_dimension_by_itself() -> None:
    images, texts = (Statistics.of(features(200, seed, torch.ones(D))) for seed in (0, 1))
    old = texts._replace(correlations=None)
    assert GapCorrection.between(images, old, 0.5).transport is None
    assert GapCorrection.between(images, texts, 0.5).transport is not None
