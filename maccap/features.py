"""Pixels to the features that the adaptor and the reranker read: CLIP and region aggregation together.

The pipeline's feature actor uses this alone; it holds a CLIP and no language model.
"""

from typing import NamedTuple

from torch import Tensor, nn

from maccap.clip import FrozenClip
from maccap.config import RegionConfig
from maccap.regions import combine, region_features


class ImageFeatures(NamedTuple):
    """Features of R images, float32, on CLIP's device."""

    global_: Tensor  # [R, D], unit length: what candidates are reranked against
    features: Tensor  # [R, N, D]: global plus weighted region, what the adaptor reads (after noise)


class FeatureExtractor(nn.Module):
    """Image features 1-6 of the method, for a CLIP and the region settings a bundle was trained for."""

    def __init__(self, clip: FrozenClip, config: RegionConfig) -> None:
        super().__init__()
        self.clip = clip
        self.config = config

    def forward(self, pixels: Tensor) -> ImageFeatures:
        """`pixels` uint8 [R, S, S, 3] of `resize_and_crop`.

        Raises ValueError for pixels that are not this CLIP's, or a CLIP with fewer tokens than regions.
        """
        image = self.clip.encode_image(pixels)
        regions = region_features(image, self.config)
        return ImageFeatures(image.global_, combine(image.global_, regions, self.config.patch_weight))
