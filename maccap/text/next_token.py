"""The tokens that follow, and their log-probabilities, from the logits of many rows.

Rows are taken a block at a time: the copies of a whole vocabulary that a choice needs are small, stay in the
processor's cache, and are gone with the block.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from maccap.config import DecodingConfig
from maccap.text.sampling import sample_tokens

_BLOCK, _BLOCK_ON_GPU = 1 << 19, 1 << 26  # logits


def next_tokens(logits: Tensor, uniforms: Tensor | None, config: DecodingConfig) -> tuple[Tensor, Tensor]:
    """Tokens and their log-probabilities under the model's own distribution, [R, samples], for logits [R, V].

    Sampled with `uniforms` [R, samples] (`maccap/text/sampling.py`); without, the most likely one, [R, 1].
    """

    def choose(part: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        if uniforms is None:
            tokens = part.argmax(dim=-1, keepdim=True)
        else:
            tokens = sample_tokens(part, uniforms[rows], config)
        return tokens, part.log_softmax(dim=-1).gather(1, tokens)

    return _in_blocks(logits, choose)


def likeliest_tokens(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` most likely tokens, likeliest first, and their log-probabilities, [R, count]."""

    def choose(part: Tensor, _: slice) -> tuple[Tensor, Tensor]:
        best = part.log_softmax(dim=-1).topk(count, dim=-1)
        return best.indices, best.values

    return _in_blocks(logits, choose)


def _in_blocks(
    logits: Tensor, choose: Callable[[Tensor, slice], tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """`choose` for float32 logits of some rows and which rows they are, over all rows."""
    rows, vocab = logits.shape
    size = max(1, (_BLOCK_ON_GPU if logits.is_cuda else _BLOCK) // vocab)
    parts = [slice(start, start + size) for start in range(0, rows, size)]
    tokens, logprobs = zip(*(choose(logits[part].float(), part) for part in parts), strict=True)
    return torch.cat(tokens), checked(torch.cat(logprobs))


def checked(logprobs: Tensor) -> Tensor:
    """Raises ValueError where one is not a number: a text of such tokens would say nothing of an image."""
    if logprobs.isnan().any():
        raise ValueError(
            "the language model gives log-probabilities that are no numbers, as some do in float16: set "
            "precision to bfloat16 or float32"
        )
    return logprobs
