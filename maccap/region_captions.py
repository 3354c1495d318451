"""Captions of an image's salient regions: the adaptor reads a region where it reads an image for a caption.

Several are drawn for each region, and CLIP keeps the one that is closest to it, as it does for the image.
"""

from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor

from maccap.captions import RegionCaption
from maccap.config import DecodingConfig, PromptConfig
from maccap.image.view import Box, in_image
from maccap.rerank import Reranker, best
from maccap.sampler import CandidateSampler

_DRAWS = 4  # of noise for a region, at most; more of them name little more


def draw_region_texts(
    sampler: CandidateSampler,
    features: Sequence[Tensor],
    patches: Sequence[Sequence[int]],
    copies: int,
    image_ids: Sequence[str],
    seed: int,
    decoding: DecodingConfig,
    *,
    prompt: PromptConfig | None = None,
    batch_rows: int | None = None,
) -> list[list[list[str]]]:
    """Texts for each region of each image. `features` [M, D] are what the adaptor reads of its M regions,
    each in `copies` with noise of their own, and `patches` tell these apart.

    Decoded as captions are. Noise and sampling are keyed by `seed`, the image's id and the region's patch:
    other regions, images and batches affect none. Raises as `CandidateSampler` does.
    """
    keys = [f"{one}\0{patch}" for one, of_image in zip(image_ids, patches, strict=True) for patch in of_image]
    if not keys:
        return [[] for _ in image_ids]
    read = torch.cat([*features])[:, None].expand(-1, copies, -1)
    fewer = decoding.with_draws(_DRAWS)
    drawn = sampler(read, keys, seed, fewer, prompt=prompt, batch_rows=batch_rows)
    texts = iter([[candidate.text for candidate in of_region] for of_region in drawn])
    return [list(islice(texts, len(of_image))) for of_image in patches]


def closest_texts(
    reranker: Reranker, texts: Sequence[Sequence[Sequence[str]]], regions: Sequence[Tensor]
) -> list[list[tuple[str, float]]]:
    """For each image, of each of its M regions the text that is closest to its feature in `regions` [M, D],
    and their cosine; of equals, the first.
    """
    flat = [of_region for of_image in texts for of_region in of_image]
    scores = reranker(flat, torch.cat([*regions])) if flat else []
    chosen = iter([(own[best(row)], max(row)) for own, row in zip(flat, scores, strict=True)])
    return [list(islice(chosen, len(of_image))) for of_image in texts]


def placed(
    texts: Sequence[tuple[str, float]], patches: Sequence[int], boxes: Sequence[Box], view: Box
) -> list[RegionCaption]:
    """Captions of one image's regions, whose `boxes` of what CLIP saw become boxes of the image: CLIP saw
    its `view`. A region of what was put around the image is left out.
    """
    captions = [
        RegionCaption(text, score, patch, in_image(Box(*box), view))
        for (text, score), patch, box in zip(texts, patches, boxes, strict=True)
    ]
    return [one for one in captions if one.box.width > 0 and one.box.height > 0]
