"""Region noise: unit length, and the size that the variance says."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from maccap.adaptor.noise import RegionNoise, add_noise, noise_root, paraphrase_pairs


def test_formula_and_unit_length() -> None:
    torch.manual_seed(0)
    features, eps = torch.randn(3, 4, 16), torch.randn(3, 4, 16)
    noisy = add_noise(features, eps, 0.04)
    torch.testing.assert_close(noisy.norm(dim=-1), torch.ones(3, 4))
    torch.testing.assert_close(noisy, F.normalize(features + 0.2 * eps, dim=-1))


def test_zero_variance_only_normalises() -> None:
    features = torch.randn(2, 3, 8)
    torch.testing.assert_close(add_noise(features, torch.randn(2, 3, 8), 0.0), F.normalize(features, dim=-1))


def test_cosine_to_the_clean_feature_follows_the_variance() -> None:
    """At D = 512 the noise has squared length 512 * variance, against 1 of the feature."""
    torch.manual_seed(0)
    feature = F.normalize(torch.randn(1, 512), dim=-1).expand(400, -1)
    cosine = (add_noise(feature, torch.randn(400, 512), 0.016) * feature).sum(dim=-1).mean()
    assert abs(float(cosine) - (1 + 512 * 0.016) ** -0.5) < 0.01


def _covariance(samples: torch.Tensor) -> torch.Tensor:
    return torch.cov(samples.double().T)


def test_noise_takes_the_covariance_of_differences_and_keeps_the_variance() -> None:
    torch.manual_seed(0)
    mixing = torch.randn(16, 16)
    differences = 3 + torch.randn(5000, 16) @ mixing  # their mean is no part of it
    root = noise_root(differences)
    assert root.diagonal().isfinite().all()
    added = torch.randn(40_000, 16) @ root
    assert float(_covariance(added).diagonal().mean()) == pytest.approx(1, rel=0.03)
    wanted = _covariance(differences)
    wanted /= wanted.diagonal().mean()
    assert float((_covariance(added) - wanted).norm() / wanted.norm()) < 0.05
    feature, eps = torch.zeros(1, 16), torch.randn(1, 16)
    noise = RegionNoise(0.04, root=root)
    torch.testing.assert_close(noise(feature, eps), F.normalize(eps @ root, dim=-1))


def test_few_differences_leave_no_direction_without_noise() -> None:
    torch.manual_seed(0)
    root = noise_root(torch.randn(20, 64))
    assert torch.linalg.eigvalsh(root.double()).min() > 0.5


def test_differences_that_are_all_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="all alike"):
        noise_root(torch.ones(5, 8))


@pytest.mark.parametrize("shared", [0.0, 0.3, 1.0])
def test_a_fraction_of_the_variance_is_the_same_for_all_regions(shared: float) -> None:
    torch.manual_seed(0)
    eps = torch.randn(20_000, 5, 4)
    noise = RegionNoise(1.0, shared)
    torch.testing.assert_close(noise(torch.zeros_like(eps), eps).norm(dim=-1), torch.ones(20_000, 5))
    far = 1e3 * F.normalize(torch.ones(4), dim=-1)  # where the noise across is seen as it is
    across = 1e3 * (noise(far.expand_as(eps), eps) @ torch.tensor([1.0, -1.0, 0.0, 0.0])) / 2**0.5
    assert float(across.var()) == pytest.approx(1, rel=0.03)
    assert float(across.mean(1).var()) == pytest.approx(shared, abs=0.01)


def test_without_a_fraction_each_region_has_its_own() -> None:
    torch.manual_seed(0)
    features, eps = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    assert torch.equal(RegionNoise(0.04)(features, eps), add_noise(features, eps, 0.04))
    torch.testing.assert_close(RegionNoise(0.04, 0.2)(features, eps), add_noise(features, eps, 0.04))
    alone = RegionNoise(0.04, 0.9)(features[:, :1], eps[:, :1])
    torch.testing.assert_close(alone, add_noise(features[:, :1], eps[:, :1], 0.04))


def test_paraphrases_are_captions_of_one_image_and_not_more_than_it_takes() -> None:
    images = np.array([7, 3, 7, 9, 3, 7], dtype=np.uint64)
    assert paraphrase_pairs(images).tolist() == [[0, 2], [2, 5], [1, 4]]
    assert paraphrase_pairs(np.arange(5, dtype=np.uint64)).shape == (0, 2)
    many = paraphrase_pairs(np.repeat(np.arange(4000, dtype=np.uint64), 4))
    assert many.shape == (10_000, 2)
    assert (many[:, 0] // 4 == many[:, 1] // 4).all()
