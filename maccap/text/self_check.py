"""Whether a language model decodes what it reads: short texts with the cache and without, together and alone.

Some models take `past_key_values` and keep their state elsewhere, count positions anew, or look up by token
what an embedding does not carry. None of them complains: all but the first token of a caption is wrong.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from maccap.text.language_model import FrozenLanguageModel

_PREFIX, _STEPS = 6, 4
_COPIES = 2
_SELECTED = (3, 1, 0)  # of the four rows after the second step: one leaves, two change places
_TOLERANCE = 1e-3  # of the logits' spread
_ROUNDINGS = 16  # of a half-precision number that it may be instead

_IN_STEPS = (
    "token by token it says something else than at once: it keeps state outside past_key_values, counts "
    "positions anew, or reads more of a token than its embedding"
)
_AFTER_ENDS = "texts mix when one of them ends, so it keeps state outside past_key_values"


class WrongDecodingError(ValueError):
    """A language model that cannot be used: its captions would be wrong."""


@torch.no_grad()
def check_decoding(lm: "FrozenLanguageModel") -> None:
    """A few passes of ten positions. Raises WrongDecodingError with the model's name and what differs."""
    try:
        difference = _difference(lm)
    except Exception as error:  # a model of another kind fails in its own way
        reason = " ".join(str(error).split())[:200]
        difference = f"it cannot be run on embeddings with a cache ({type(error).__name__}: {reason})"
    if difference:
        raise WrongDecodingError(
            f"the language model {lm.name} ({type(lm.model).__name__}) cannot be used: {difference}. Choose "
            "a causal decoder that keeps all its state in past_key_values, such as OPT, GPT-2, Llama or Qwen"
        )


def _difference(lm: "FrozenLanguageModel") -> str | None:
    table: Tensor = lm.model.get_input_embeddings().weight
    numbers = torch.Generator().manual_seed(0)
    spread = float(table.float().std())
    prefix = (torch.randn(2, _PREFIX, lm.embedding_dim, generator=numbers) * spread).to(lm.device, lm.dtype)
    tokens = torch.randint(len(table), (2 * _COPIES, _STEPS), generator=numbers).to(lm.device)
    tokens[:, 0] = lm.bos_id
    whole = torch.cat([prefix.repeat_interleave(_COPIES, 0), lm.embed(tokens).to(lm.dtype)], dim=1)
    expected = lm.logits(whole)
    same = _Same(expected)

    if not same(lm.logits(whole[:, : _PREFIX + 1]), expected[:, : _PREFIX + 1]):
        return "it reads what follows a token, and so is no causal decoder"
    if not same(lm.logits(whole[1:2]), expected[1:2]):
        return "a text depends on those that are decoded beside it"
    logits, cache = lm.prefill(prefix, room=_STEPS, copies=_COPIES)
    if not same(logits, expected[::_COPIES, _PREFIX - 1]):
        return "after the prefix it says something else with a cache than without"
    rows = torch.arange(len(tokens), device=lm.device)
    for step in range(_STEPS):
        if step == _STEPS // 2:
            kept = torch.tensor(_SELECTED, device=lm.device)
            cache.select(kept)
            rows = rows[kept]
        logits = lm.step(tokens[rows, step], cache)
        if not same(logits, expected[rows, _PREFIX + step]):
            return _IN_STEPS if step < _STEPS // 2 else _AFTER_ENDS
    return None


@torch.no_grad()
def reads_several(lm: "FrozenLanguageModel") -> bool:
    """Whether several tokens at once, behind a cache, are read as one after another."""
    ids = torch.arange(_PREFIX + _STEPS, device=lm.device)[None] % len(lm.model.get_input_embeddings().weight)
    _, cache = lm.prefill(lm.embed(ids[:, :_PREFIX]), room=_STEPS)
    together = lm.read_together(ids[:, _PREFIX:], cache)
    _, cache = lm.prefill(lm.embed(ids[:, :_PREFIX]), room=_STEPS)
    apart = torch.stack([lm.step(token, cache) for token in ids[:, _PREFIX:].unbind(1)], dim=1)
    return _Same(apart)(together, apart)


class _Same:
    """Whether logits agree, as far as their precision goes."""

    def __init__(self, logits: Tensor) -> None:
        spread = float(logits.float().std(dim=-1).mean())
        self._most = spread * max(_TOLERANCE, _ROUNDINGS * torch.finfo(logits.dtype).eps)

    def __call__(self, logits: Tensor, expected: Tensor) -> bool:
        return bool((logits.float() - expected.float()).abs().max() <= self._most)
