"""Pixels to the features that the adaptor and the reranker read: CLIP and region aggregation together.

The pipeline's feature actor uses this alone; it holds a CLIP and no language model.
"""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from maccap.config import RegionConfig
from maccap.image.caption_memory import project
from maccap.image.clip import FrozenClip, ImageTokens
from maccap.image.regions import combine, region_features
from maccap.image.salient_regions import SalientRegions, salient_regions

_REGION_WEIGHT = 2.0  # of a region beside the global feature, in what a caption of the region is made of


class ImageFeatures(NamedTuple):
    """Features of R images, float32, on CLIP's device."""

    global_: Tensor  # [R, D], unit length: what candidates are reranked against
    features: Tensor  # [R, N, D]: global plus weighted region, what the adaptor reads (after noise)


class RegionFeatures(NamedTuple):
    """Regions of one image that are to be captioned, and what the adaptor reads of each (after noise)."""

    regions: SalientRegions
    features: Tensor  # [M, D]


class FeatureExtractor(nn.Module):
    """Image features 1-6 of the method, for a CLIP and the region settings a bundle was trained for.

    With a `memory` [M, D] of text features, the adaptor reads the image's projection onto it alone.
    """

    def __init__(
        self,
        clip: FrozenClip,
        config: RegionConfig,
        memory: Tensor | None = None,
        memory_temperature: float = 0.01,
    ) -> None:
        super().__init__()
        self.clip = clip
        self.config = config
        self.memory = memory
        self.memory_temperature = memory_temperature

    def forward(self, pixels: Tensor) -> ImageFeatures:
        """`pixels` uint8 [R, S, S, 3] of `resize_and_crop`.

        Raises ValueError for pixels that are not this CLIP's, or a CLIP with fewer tokens than regions.
        """
        return self.of_tokens(self.clip.encode_image(pixels))

    def of_tokens(self, image: ImageTokens) -> ImageFeatures:
        """The same from what CLIP made of the pixels."""
        if self.memory is not None:
            seen = project(image.global_, self.memory, self.memory_temperature)
            return ImageFeatures(image.global_, seen[:, None].expand(-1, self.config.count, -1).contiguous())
        regions = region_features(image, self.config)
        return ImageFeatures(image.global_, combine(image.global_, regions, self.config.patch_weight))

    def of_regions(self, image: ImageTokens, count: int) -> list[RegionFeatures]:
        """Up to `count` regions of each image, to be captioned: the adaptor reads
        `norm(global + 2 * region)`, N times.
        """
        found = salient_regions(image, count)
        read = [
            F.normalize(global_ + _REGION_WEIGHT * regions.features, dim=-1)
            for global_, regions in zip(image.global_, found, strict=True)
        ]
        if self.memory is not None:
            read = [project(some, self.memory, self.memory_temperature) for some in read]
        return list(map(RegionFeatures, found, read))
