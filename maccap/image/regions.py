"""Salient tokens of an image and their sub-region features (paper: sub-region feature aggregation).

CLIP's global feature answers for the whole image. The tokens that CLS attends to most stand for what is in
it, and each gathers the part of the image that belongs to it: image features 4-6 of the method.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from maccap.config import RegionConfig
from maccap.image.clip import ImageTokens


def region_features(image: ImageTokens, config: RegionConfig) -> Tensor:
    """Sub-region features [R, N, D]: unit length, the most salient first; zeros for weighting `none`.

    Region i gathers the tokens X of salient token i as `normalise(w_i @ X)`. Its weights w_i are i's row of
    the last block's attention, either as it is (`attention`) or through a softmax (`softmax`, the authors'
    code; the row is normalised already, so these weights are nearly uniform).

    Raises ValueError where the CLIP has fewer tokens than `config.count`.
    """
    rows, _, dim = image.tokens.shape
    if config.weighting == "none":
        return image.tokens.new_zeros(rows, config.count, dim)
    _, weights = salient_tokens(image, config)
    return F.normalize(weights @ image.tokens, dim=-1)


def salient_tokens(image: ImageTokens, config: RegionConfig) -> tuple[Tensor, Tensor]:
    """The N tokens that CLS attends to most, [R, N] with the most salient first (0 is CLS itself), and the
    weights [R, N, tokens] with which each gathers its region; for weighting `none` as for `attention`.

    Raises ValueError as `region_features` does.
    """
    tokens = image.tokens.shape[1]
    if config.weighting == "none":
        config = config.model_copy(update={"count": min(config.count, tokens)})
    if tokens < config.count:
        raise ValueError(
            f"regions.count is {config.count}, but this CLIP has only {tokens} tokens per image; lower it to "
            f"at most {tokens} or take a CLIP with smaller patches"
        )
    salient = image.attention[:, 0].topk(config.count, dim=-1).indices
    weights = image.attention.gather(1, salient[:, :, None].expand(-1, -1, tokens))
    if config.weighting == "softmax":
        weights = torch.softmax(weights, dim=-1)
    return salient, weights


def combine(global_: Tensor, regions: Tensor, patch_weight: float) -> Tensor:
    """What the adaptor reads of an image, before noise: `global + patch_weight * region_i`, [R, N, D]."""
    return global_[:, None] + patch_weight * regions
