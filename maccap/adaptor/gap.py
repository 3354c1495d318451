"""The gap between images and texts, closed before the adaptor (ours; the paper bridges it by noise alone).

In CLIP's space images lie apart from texts, and an adaptor has seen texts alone. What it reads of an image is
therefore moved to where its texts lay, by a map that is learned without a single pair: from images without
captions, best those of the archive that is to be captioned, and from training captions.

1. CLIP tells which of the captions are nearest to an image. A ridge regression goes from what the adaptor
   would read of the image to their mean, weighted as CLIP compares (a softmax of cosines). It is drawn
   towards leaving features as they are: what CLIP tells apart stays apart, where nearest captions would blur
   it (two of a kind became as many as three), and few images do little harm.
2. Means of many captions lie closer together than captions do. The images, so mapped, and the captions are
   taken for Gaussians, and the one is moved onto the other: each dimension by mean and deviation, then all by
   their correlations (optimal transport; Flamary et al., Concentration bounds for linear Monge mapping
   estimation and optimal transport, 2019).
"""

from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from maccap.adaptor.covariance import matrix_power, shrunk

SAMPLE = 4096  # texts that a map is learned with
_AT_ONCE = 2048
_RIDGE = 1.0  # of the mean variance
_SHRINKAGE = 0.5  # of correlations: an image's and a text's are no Gaussians
_SHARPNESS = 0.5  # of CLIP's own: a caption alone says less than several
_SMALLEST = 1e-6


class Statistics(NamedTuple):
    """Of features of unit length: mean and standard deviation in each dimension, [D] each, and some of the
    features [M, D]; None where an earlier version kept none.
    """

    mean: Tensor
    deviation: Tensor
    sample: Tensor | None = None

    @classmethod
    def of(cls, features: Tensor) -> Self:
        """Of features [..., D] of any length."""
        unit = F.normalize(features.double().flatten(0, -2), dim=-1)
        chosen = torch.randperm(len(unit), generator=torch.Generator().manual_seed(0))[:SAMPLE]
        mean, deviation = unit.mean(0), unit.std(0, correction=0)
        return cls(mean.float(), deviation.float(), unit[chosen].half())


class GapCorrection(NamedTuple):
    """An affine map of features of unit length: from the mean of `images` [D], by a `matrix` [D, D], to the
    mean of `texts` [D].
    """

    images: Tensor
    matrix: Tensor
    texts: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """`features` [..., D] of images in the direction where such texts lie; their length stays."""
        images, matrix, texts = (part.to(features) for part in self)
        moved = (F.normalize(features, dim=-1) - images) @ matrix + texts
        return F.normalize(moved, dim=-1) * features.norm(dim=-1, keepdim=True)

    @classmethod
    def by_dimension(cls, images: Statistics, texts: Statistics) -> Self:
        """Each dimension by itself, from mean and deviation alone."""
        scale = texts.deviation / images.deviation.clamp_min(_SMALLEST)
        return cls(images.mean, torch.diag(scale), texts.mean)

    @classmethod
    def by_captions(cls, features: Tensor, texts: Tensor, logit_scale: float) -> Self:
        """Learned from `features` [..., D] of images and `texts` [M, D], of a CLIP with that logit scale."""
        images, texts = _unit(features), _unit(texts)
        return cls._learned(images, _nearest(images, texts, _SHARPNESS * logit_scale), texts)

    @classmethod
    def towards(cls, features: Tensor, captions: Tensor, texts: Tensor) -> Self:
        """Learned from `features` [R, N, D] of images and those of the `captions` [R, D] each is believed to
        have, for `texts` [M, D] as in training.
        """
        believed = _unit(captions).repeat_interleave(features.shape[1], dim=0)
        return cls._learned(_unit(features), believed, _unit(texts))

    @classmethod
    def _learned(cls, images: Tensor, targets: Tensor, texts: Tensor) -> Self:
        centre, away = images.mean(0), images - images.mean(0)
        size = away.square().mean().clamp_min(_SMALLEST)
        ridge = _RIDGE * size * torch.eye(images.shape[1], dtype=images.dtype)
        wanted = targets - targets.mean(0)
        seen, taught = away.T @ away / len(away), away.T @ wanted / len(away)
        weights = torch.linalg.solve(seen + ridge, taught + ridge)
        matrix = weights @ _transport(away @ weights, texts)
        return cls(centre.float(), matrix.float(), texts.mean(0).float())


def _unit(features: Tensor) -> Tensor:
    return F.normalize(features.double().flatten(0, -2), dim=-1)


def _nearest(images: Tensor, texts: Tensor, sharpness: float) -> Tensor:
    """For each image the mean of the texts by a softmax of `sharpness` times their cosine, of unit length."""
    parts = [torch.softmax(sharpness * part @ texts.T, dim=1) @ texts for part in images.split(_AT_ONCE)]
    return F.normalize(torch.cat(parts), dim=-1)


def _transport(centred: Tensor, texts: Tensor) -> Tensor:
    """[D, D] from the covariance of `centred` [n, D] to that of `texts` [M, D]."""
    sides = []
    for away in (centred, texts - texts.mean(0)):
        deviation = away.square().mean(0).sqrt().clamp_min(_SMALLEST)
        standard = away / deviation
        correlations = (standard.T @ standard / len(standard)).fill_diagonal_(1.0)
        sides.append((deviation, shrunk(correlations, _SHRINKAGE)))
    (image_deviation, source), (text_deviation, target) = sides
    root, inverse = matrix_power(source, 0.5), matrix_power(source, -0.5)
    moved = inverse @ matrix_power(root @ target @ root, 0.5) @ inverse
    return moved / image_deviation[:, None] * text_deviation
