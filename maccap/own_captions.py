"""The gap closed further, by what the captioner itself says of images without captions (ours).

The training captions nearest to an image leave out what the captioner, with the gap closed by them, can tell
already. So it captions the images, CLIP picks the best candidate of each, and the correction is learned anew
towards those; and again, as often as it pays.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from maccap.adaptor.gap import GapCorrection
from maccap.config import DecodingConfig
from maccap.image.clip import FrozenClip
from maccap.image.features import ImageFeatures
from maccap.rerank import Reranker
from maccap.sampler import CandidateSampler

_AT_ONCE = 64
_DRAWS = 10  # of noise for an image, at most; more of them close the gap no further
_FEWEST = 50  # images to a different caption


def gap_by_own_captions(
    clip: FrozenClip,
    sampler: CandidateSampler,
    images: ImageFeatures,
    ids: Sequence[str],
    texts: Tensor,
    decoding: DecodingConfig,
    rounds: int,
    note: Callable[[int], object] = lambda captioned: None,
) -> GapCorrection:
    """The correction for `images` after so many rounds of captioning them; with none, by the nearest of the
    training `texts` [M, D] alone. The `sampler` is left with the last but one. `note` is told of progress.

    Raises ValueError where nearly all images get the same caption: nothing can be learned from that.
    """
    gap = GapCorrection.by_captions(images.features, texts, clip.logit_scale)
    rerank = Reranker(clip)
    decoding = decoding.with_draws(_DRAWS)
    for _ in range(rounds):
        sampler.gap = gap
        captions: list[str] = []
        for start in range(0, len(ids), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            drawn = sampler(images.features[part], ids[part], 0, decoding)
            with torch.inference_mode():
                chosen = rerank.choose(drawn, images.global_[part])
            captions += [row[one.winner].text for row, one in zip(drawn, chosen, strict=True)]
            note(len(drawn))
        if (different := len({*captions})) < max(2, len(captions) / _FEWEST):
            raise ValueError(
                f"of {len(captions):,} images only {different} are captioned differently, so that nothing "
                "can be learned from captions of its own; learn with none (rounds 0), or look at the model"
            )
        told = clip.encode_text(captions).float().cpu()
        gap = GapCorrection.towards(images.features, told, texts)
    return gap
