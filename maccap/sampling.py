"""One token a row from its logits and its own uniform number: temperature, top-k, top-p, then inverse CDF.

`torch.multinomial` draws for a whole batch from one generator, so that a row depends on its neighbours. Here
the number is given, and tokens are laid out in vocabulary order, so that equal logits cannot change places.
"""

import torch
from torch import Tensor

from maccap.config import DecodingConfig

# top-p keeps a few dozen tokens of a caption's distribution; a full sort is needed only where it is nearly
# flat
_NUCLEUS_GUESS = 1024


def sample_tokens(logits: Tensor, uniforms: Tensor, config: DecodingConfig) -> Tensor:
    """Token ids [B] for logits [B, V] and numbers [B] in [0, 1).

    top-k keeps the k most likely tokens, top-p the fewest most likely ones of these that hold a share
    `top_p` of their probability. Tokens exactly as likely as the last one kept are kept too.
    """
    probabilities = (logits.float() / config.temperature).softmax(dim=-1)
    threshold = _least_kept(probabilities, config)
    if threshold is not None:
        probabilities = torch.where(probabilities >= threshold, probabilities, 0.0)
    cumulative = probabilities.cumsum(dim=-1, dtype=torch.float64)
    # kept below the total, where the search would run past the last token
    share = uniforms.to(cumulative).clamp(max=1 - 2.0**-40)
    target = share[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, target, right=True)[:, 0]


def _least_kept(probabilities: Tensor, config: DecodingConfig) -> Tensor | None:
    """The smallest probability that top-k and top-p keep, [B, 1]; None where they keep everything."""
    vocab = probabilities.shape[-1]
    width = min(config.top_k or vocab, vocab)
    if config.top_p == 1:
        return None if width == vocab else probabilities.topk(width, dim=-1).values[:, -1:]
    if config.top_k:
        likely = probabilities.topk(width, dim=-1).values
        return _least_in_nucleus(likely, config.top_p * likely.sum(dim=-1, keepdim=True))
    likely = probabilities.topk(min(vocab, _NUCLEUS_GUESS), dim=-1).values
    least = _least_in_nucleus(likely, torch.full_like(likely[:, :1], config.top_p))
    flat = (likely.sum(dim=-1) < config.top_p).nonzero()[:, 0]
    if len(flat) and vocab > _NUCLEUS_GUESS:
        likely = probabilities[flat].sort(dim=-1, descending=True).values
        least[flat] = _least_in_nucleus(likely, torch.full_like(likely[:, :1], config.top_p))
    return least


def _least_in_nucleus(likely: Tensor, share: Tensor) -> Tensor:
    """The smallest of the probabilities [B, any], largest first, that are needed to hold `share` [B, 1]."""
    before = likely.cumsum(dim=-1) - likely
    return torch.where(before < share, likely, 1.0).amin(dim=-1, keepdim=True)
