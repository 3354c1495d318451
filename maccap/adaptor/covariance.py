"""Covariances [D, D] measured on few samples, and their powers."""

import torch
from torch import Tensor

_SMALLEST = 1e-9  # eigenvalue, as a fraction of the largest


def shrunk(covariance: Tensor, shrinkage: float) -> Tensor:
    """With all but the diagonal made smaller by `shrinkage`: 0 as measured, 1 the diagonal alone."""
    return torch.lerp(covariance, torch.diag(covariance.diagonal()), shrinkage)


def ledoit_wolf(samples: Tensor) -> Tensor:
    """Of samples [n, D], shrunk towards the same variance in every direction as far as their number asks for
    (Ledoit & Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004).
    """
    away = samples.double() - samples.double().mean(0)
    count, dim = away.shape
    measured = away.T @ away / count
    alike = measured.trace() / dim * torch.eye(dim, dtype=measured.dtype, device=measured.device)
    apart = (measured - alike).square().sum()
    error = (away.square().sum(1).square().sum() / count - measured.square().sum()) / count
    return torch.lerp(measured, alike, float((error / apart).clamp(0, 1)) if apart > 0 else 0.0)


def matrix_power(covariance: Tensor, power: float) -> Tensor:
    """Of a symmetric matrix without negative eigenvalues; those of nearly 0 count as a little more."""
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp_min(_SMALLEST * values[-1]) ** power) @ vectors.T
