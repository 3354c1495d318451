"""Images moved to where an adaptor's texts lie."""

import torch
import torch.nn.functional as F

from maccap.adaptor.gap import SAMPLE, GapCorrection, Statistics

D = 24


def features(count: int, seed: int, centre: torch.Tensor) -> torch.Tensor:
    return centre + 0.3 * torch.randn(count, D, generator=torch.Generator().manual_seed(seed))


def test_dimension_by_dimension_a_known_gap_is_closed_and_lengths_stay() -> None:
    apart = torch.zeros(D)
    apart[0] = 2.0
    images, texts = features(400, 0, torch.ones(D) + apart), features(300, 1, torch.ones(D) - apart)
    there = Statistics.of(texts)
    gap = GapCorrection.by_dimension(Statistics.of(2 * images[:, None]), there)
    moved = gap(images)
    assert torch.allclose(moved.norm(dim=-1), images.norm(dim=-1), rtol=1e-5)
    assert (F.normalize(images, dim=-1).mean(0) - there.mean).norm() > 0.5
    after = Statistics.of(moved)
    assert (after.mean - there.mean).norm() < 0.03
    assert torch.allclose(after.deviation, there.deviation, rtol=0.3)


def test_without_a_gap_nothing_moves_also_where_a_dimension_is_constant() -> None:
    images = features(200, 0, torch.ones(D))
    images[:, 3] = 0
    same = Statistics.of(images)
    assert torch.allclose(GapCorrection.by_dimension(same, same)(images), images, atol=1e-5)
    assert GapCorrection.by_captions(images, images, 100.0)(images).isfinite().all()


def _world(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and their texts: they share a meaning; beside it texts have a style and images something else,
    in directions of their own; and images lie apart.
    """
    generator = torch.Generator().manual_seed(seed)
    meaning, style, seen = torch.randn(3, count, D // 3, generator=generator)
    nothing = torch.zeros_like(meaning)
    basis = torch.linalg.qr(torch.randn(D, D, generator=torch.Generator().manual_seed(7))).Q
    texts = torch.cat([meaning, style, nothing], dim=1) @ basis
    images = torch.cat([meaning, nothing, seen], dim=1) @ basis
    return F.normalize(images + 4 * basis[-1], dim=-1), F.normalize(texts, dim=-1)


def test_nearest_captions_teach_the_way_without_a_pair() -> None:
    """The texts that the map is learned with are of other meanings than the images. A perfect one would reach
    0.71, since a style cannot be seen.
    """
    (images, _), (_, texts), (new, own) = _world(800, 0), _world(2000, 1), _world(500, 2)
    learned = GapCorrection.by_captions(images[:, None], texts, 40.0)
    plain = GapCorrection.by_dimension(Statistics.of(images), Statistics.of(texts))

    def cosine(found: torch.Tensor) -> float:
        return float((F.normalize(found, dim=-1) * own).sum(-1).mean())

    assert cosine(learned(new)) > cosine(plain(new)) + 0.1
    assert cosine(plain(new)) > cosine(new) + 0.05
    after, there = Statistics.of(learned(new)), Statistics.of(own)
    assert (after.mean - there.mean).norm() < 0.1
    assert torch.allclose(after.deviation.mean(), there.deviation.mean(), rtol=0.1)


def test_fewer_images_than_dimensions_still_close_it() -> None:
    (images, _), (_, texts), (new, own) = _world(D // 2, 0), _world(2000, 1), _world(500, 2)
    moved = GapCorrection.by_captions(images[:, None], texts, 40.0)(new)
    assert (moved * own).sum(-1).mean() > (new * own).sum(-1).mean() + 0.15


def test_what_no_caption_tells_apart_stays_apart() -> None:
    """Captions that say less than images show teach nothing of one direction: there nothing is blurred."""
    generator = torch.Generator().manual_seed(3)
    images = F.normalize(torch.randn(600, D, generator=generator), dim=-1)
    blurred = images.clone()
    blurred[:, 0] = 0
    gap = GapCorrection.towards(images[:, None], blurred, images)
    found = torch.corrcoef(torch.stack([gap(images)[:, 0], images[:, 0]]))[0, 1]
    assert found > 0.95


def test_statistics_keep_a_sample_and_no_more() -> None:
    few = Statistics.of(features(10, 0, torch.ones(D))).sample
    many = Statistics.of(torch.randn(SAMPLE + 5, D)).sample
    assert few is not None
    assert many is not None
    assert (few.shape, many.shape) == ((10, D), (SAMPLE, D))
    assert few.float().norm(dim=-1).allclose(torch.ones(10), atol=1e-2)
