"""The gap between images and texts, closed before the adaptor (ours; the paper bridges it by noise alone).

In CLIP's space images lie apart from texts, and an adaptor has seen texts alone. What it reads of an image is
therefore moved from the distribution of images to that of texts, both taken for Gaussians: each dimension by
its mean and standard deviation, then all of them together by their correlations (optimal transport, as in
Flamary et al., Concentration bounds for linear Monge mapping estimation, 2019). It takes images without
captions, best those of the archive that is to be captioned.
"""

from typing import NamedTuple, Self

import torch.nn.functional as F
from torch import Tensor

from maccap.adaptor.covariance import matrix_power, shrunk

_SMALLEST = 1e-6


class Statistics(NamedTuple):
    """Of features of unit length: mean and standard deviation in each dimension, [D] each, and between
    dimensions the correlations [D, D]; None where those were not measured.
    """

    mean: Tensor
    deviation: Tensor
    correlations: Tensor | None = None

    @classmethod
    def of(cls, features: Tensor) -> Self:
        """Of features [..., D] of any length."""
        unit = F.normalize(features.double().flatten(0, -2), dim=-1)
        mean, deviation = unit.mean(0), unit.std(0, correction=0)
        standard = (unit - mean) / deviation.clamp_min(_SMALLEST)
        correlations = (standard.T @ standard / len(standard)).fill_diagonal_(1.0)
        return cls(mean.float(), deviation.float(), correlations.float())


class GapCorrection(NamedTuple):
    """From the distribution of `images` to that of the `texts` that the adaptor was trained on; `transport`
    [D, D] turns standardised features, None leaves each dimension to itself.
    """

    images: Statistics
    texts: Statistics
    transport: Tensor | None = None

    @classmethod
    def between(cls, images: Statistics, texts: Statistics, shrinkage: float) -> Self:
        """With correlations shrunk towards none by `shrinkage`: 0 as measured, 1 each dimension by itself, as
        where one side has none.
        """
        source, target = images.correlations, texts.correlations
        if shrinkage == 1 or source is None or target is None:
            return cls(images, texts)
        source, target = (shrunk(correlations.double(), shrinkage) for correlations in (source, target))
        root, inverse = matrix_power(source, 0.5), matrix_power(source, -0.5)
        return cls(images, texts, (inverse @ matrix_power(root @ target @ root, 0.5) @ inverse).float())

    def __call__(self, features: Tensor) -> Tensor:
        """`features` [..., D] of images in the direction where such texts lie; their length stays."""
        device, (images, texts, transport) = features.device, self
        unit = F.normalize(features, dim=-1)
        standard = (unit - images.mean.to(device)) / images.deviation.to(device).clamp_min(_SMALLEST)
        if transport is not None:
            standard = standard @ transport.to(device)
        moved = standard * texts.deviation.to(device) + texts.mean.to(device)
        return F.normalize(moved, dim=-1) * features.norm(dim=-1, keepdim=True)
