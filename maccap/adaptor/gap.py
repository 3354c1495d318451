"""The gap between images and texts, closed before the adaptor (ours; the paper bridges it by noise alone).

In CLIP's space images lie apart from texts, and an adaptor has seen texts alone. Each dimension of what it
reads of an image is therefore moved and scaled from the distribution of images to that of texts. It takes
images without captions, best those of the archive that is to be captioned.
"""

from typing import NamedTuple, Self

import torch.nn.functional as F
from torch import Tensor

_SMALLEST = 1e-6


class Statistics(NamedTuple):
    """Mean and standard deviation of features of unit length in each dimension, [D] each."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Self:
        """Of features [..., D] of any length."""
        unit = F.normalize(features.double().flatten(0, -2), dim=-1)
        return cls(unit.mean(0).float(), unit.std(0, correction=0).float())


class GapCorrection(NamedTuple):
    """From the distribution of `images` to that of the `texts` that the adaptor was trained on."""

    images: Statistics
    texts: Statistics

    def __call__(self, features: Tensor) -> Tensor:
        """`features` [..., D] of images in the direction where such texts lie; their length stays."""
        device, (images, texts) = features.device, self
        unit = F.normalize(features, dim=-1)
        apart = (unit - images.mean.to(device)) / images.deviation.to(device).clamp_min(_SMALLEST)
        moved = apart * texts.deviation.to(device) + texts.mean.to(device)
        return F.normalize(moved, dim=-1) * features.norm(dim=-1, keepdim=True)
