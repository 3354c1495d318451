"""Region noise: unit length, and the size that the variance says."""

import pytest
import torch
import torch.nn.functional as F

from maccap.adaptor.noise import add_noise, noise_root


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
    torch.testing.assert_close(add_noise(feature, eps, 0.04, root), F.normalize(eps @ root, dim=-1))


def test_few_differences_leave_no_direction_without_noise() -> None:
    torch.manual_seed(0)
    root = noise_root(torch.randn(20, 64))
    assert torch.linalg.eigvalsh(root.double()).min() > 0.5


def test_differences_that_are_all_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="all alike"):
        noise_root(torch.ones(5, 8))
