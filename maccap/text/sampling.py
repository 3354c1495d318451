"""One token from a row's logits and a uniform number of its own: temperature, top-k, top-p, then inverse CDF.

`torch.multinomial` draws for a whole batch from one generator, so that a row depends on its neighbours. Here
the number is given, and tokens are laid out in vocabulary order, so that equal logits cannot change places.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from maccap.config import DecodingConfig

# top-p mostly keeps a few dozen tokens of a caption's distribution; the most likely ones are found in growing
# numbers, a full sort for rows that are nearly flat
_NUCLEUS_GUESSES = (64, 1024)
_SPAN = 64
# what is searched for stays below the total, where the search would run past the last token
_BELOW_ONE = 1 - 2.0**-40


def sample_tokens(logits: Tensor, uniforms: Tensor, config: DecodingConfig) -> Tensor:
    """Token ids for logits [B, V] and numbers in [0, 1), [B] or [B, samples], in the numbers' shape.

    top-k keeps the k most likely tokens, top-p the fewest most likely ones of these that hold a fraction
    `top_p` of their probability. Tokens exactly as likely as the last one kept are kept too.
    """
    logits = logits.float()
    if config.temperature != 1:
        logits = logits / config.temperature
    probabilities = logits.softmax(dim=-1)
    threshold = _least_kept(probabilities, config)
    if threshold is not None:
        probabilities.masked_fill_(probabilities < threshold, 0.0)
    return _inverse_cdf(probabilities, uniforms.reshape(len(uniforms), -1)).view_as(uniforms)


def _inverse_cdf(weights: Tensor, uniforms: Tensor) -> Tensor:
    """The first token whose cumulative weight exceeds the given fraction, [B, samples]: first its span, then
    itself; of weights that are no numbers any token.

    A running sum over a whole vocabulary is slow; sums of spans are not, and one span is short.
    """
    spans = F.pad(weights, (0, -weights.shape[-1] % _SPAN)).unflatten(-1, (-1, _SPAN))
    ends = spans.sum(dim=-1, dtype=torch.float64).cumsum(dim=-1)
    target = uniforms.to(ends).clamp(max=_BELOW_ONE) * ends[:, -1:]
    span = torch.searchsorted(ends, target, right=True).clamp(max=ends.shape[-1] - 1)
    inside = spans.gather(1, span[:, :, None].expand(-1, -1, _SPAN)).double().cumsum(dim=-1)
    target = torch.minimum(target - F.pad(ends, (1, 0)).gather(1, span), _BELOW_ONE * inside[:, :, -1])
    token = span * _SPAN + torch.searchsorted(inside, target[:, :, None], right=True)[:, :, 0]
    return token.clamp(max=weights.shape[-1] - 1)


def _least_kept(probabilities: Tensor, config: DecodingConfig) -> Tensor | None:
    """The smallest probability that top-k and top-p keep, [B, 1]; None where they keep everything."""
    vocab = probabilities.shape[-1]
    width = min(config.top_k or vocab, vocab)
    if config.top_p == 1:
        return None if width == vocab else probabilities.topk(width, dim=-1).values[:, -1:]
    if config.top_k:
        likely = probabilities.topk(width, dim=-1).values
        return _least_in_nucleus(likely, config.top_p * likely.sum(dim=-1, keepdim=True))
    least = torch.zeros_like(probabilities[:, :1])
    rows = torch.arange(len(probabilities), device=probabilities.device)
    for guess in (*(guess for guess in _NUCLEUS_GUESSES if guess < vocab), vocab):
        left = probabilities[rows]
        likely = left.topk(guess, dim=-1).values if guess < vocab else left.sort(descending=True).values
        least[rows] = _least_in_nucleus(likely, torch.full_like(likely[:, :1], config.top_p))
        rows = rows[likely.sum(dim=-1) < config.top_p]
        if not len(rows):
            break
    return least


def _least_in_nucleus(likely: Tensor, fraction: Tensor) -> Tensor:
    """The smallest of the probabilities [B, any], largest first, that it takes to hold `fraction` [B, 1]."""
    before = likely.cumsum(dim=-1) - likely
    return torch.where(before < fraction, likely, 1.0).amin(dim=-1, keepdim=True)
