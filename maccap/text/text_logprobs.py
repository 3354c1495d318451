"""How likely given texts are after a prefix and its prompt (paper: zero-shot VQA, with a list of answers)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from maccap.text.engine import PromptIds
from maccap.text.language_model import FrozenLanguageModel
from maccap.text.next_token import checked
from maccap.text.prompted import Prompted, ReadPrefixes


@torch.no_grad()
def text_logprobs(
    lm: FrozenLanguageModel,
    prefix: Tensor | ReadPrefixes,
    prompt_ids: PromptIds,
    texts: Sequence[Sequence[int]],
    rows: int,
    *,
    fixed_rows: bool = False,
) -> Tensor:
    """Natural-log probabilities [B, len(texts)], float64, of each text and the end token behind it, after
    [prefix; prompt] of prefix [B, Q, H].

    [prefix; prompt] is read once for the texts that go together, and they in one pass: at most `rows` at
    once. With `fixed_rows`, one prefix at a time, so that its numbers depend on nothing but itself.
    """
    if not len(prefix):
        return torch.zeros(0, len(texts), dtype=torch.float64)
    together = max(1, min(len(texts), rows))
    prefixes = 1 if fixed_rows else max(1, rows // together)
    ended = [[*text, lm.eos_ids[0]] for text in texts]
    length = max(map(len, ended))
    parts = []
    for some in Prompted(lm, prefix, prompt_ids).split(prefixes):
        of_texts = [
            _logprobs(lm, some, ended[start : start + together], length)
            for start in range(0, len(ended), together)
        ]
        parts.append(torch.cat(of_texts, dim=1))
    return checked(torch.cat(parts))


def _logprobs(lm: FrozenLanguageModel, begun: Prompted, texts: list[list[int]], length: int) -> Tensor:
    """[B, A] of A texts that end with the end token, all padded to `length` tokens."""
    images, count = len(begun), len(texts)
    tokens = torch.tensor([[*text, *text[-1:] * (length - len(text))] for text in texts], device=lm.device)
    first, cache = begun.prefill(room=length - 1, copies=count)
    total = _gains(first, tokens[:, 0].expand(images, -1))
    if length > 1:
        logits = lm.read(tokens[:, :-1].repeat(images, 1), cache)
        gains = _gains(logits, tokens[:, 1:].repeat(images, 1)[..., None]).view(images, count, -1)
        lengths = torch.tensor([len(text) for text in texts], device=lm.device)
        counted = torch.arange(1, length, device=lm.device) < lengths[:, None]
        total = total + (gains * counted).sum(dim=-1)
    return total.cpu()


def _gains(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probabilities, float64, of tokens [..., K] under logits [..., V]."""
    total = logits.float().logsumexp(dim=-1, keepdim=True)
    return (logits.gather(-1, tokens).float() - total).double()
