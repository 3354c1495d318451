"""Pixels to the features that the adaptor and the reranker read: CLIP and region aggregation together.

The pipeline's feature actor uses this alone; it holds a CLIP and no language model.
"""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from maccap.config import REGION_WEIGHT, RegionConfig
from maccap.image.caption_memory import project
from maccap.image.clip import FrozenClip, ImageTokens
from maccap.image.regions import combine, region_features
from maccap.image.salient_regions import SalientRegions, salient_regions


class ImageFeatures(NamedTuple):
    """Features of R images, float32, on CLIP's device."""

    global_: Tensor  # [R, D], unit length: what candidates are reranked against
    features: Tensor  # [R, N, D]: global plus weighted region, what the adaptor reads (after noise)


class RegionFeatures(NamedTuple):
    """Regions of one image that are to be captioned, and what the adaptor reads of each (after noise): their
    own features, or these projected onto the memory.
    """

    regions: SalientRegions  # `features` are global plus weighted region
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
        """Up to `count` regions of each image, to be captioned. The adaptor reads, and candidates are
        reranked against, `norm(global + 1.5 * region)`: a region by itself is a worse match for texts (the
        paper's finding), and one that is read so knows what else is there.
        """
        seen = [
            regions._replace(features=F.normalize(global_ + REGION_WEIGHT * regions.features, dim=-1))
            for global_, regions in zip(image.global_, salient_regions(image, count), strict=True)
        ]
        if self.memory is None:
            return [RegionFeatures(regions, regions.features) for regions in seen]
        memory, temperature = self.memory, self.memory_temperature
        return [RegionFeatures(regions, project(regions.features, memory, temperature)) for regions in seen]
