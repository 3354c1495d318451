"""Region noise: unit length, and the size that the variance says."""

import torch
import torch.nn.functional as F

from maccap.adaptor.noise import add_noise


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
