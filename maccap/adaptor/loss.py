"""The training loss: how well the frozen language model says a caption after the adaptor's prefix."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from maccap.text.language_model import FrozenLanguageModel


class CaptionLoss(NamedTuple):
    """Over the text tokens of a batch, padding ignored. Sums, so that parts of a batch can be added up."""

    total: Tensor  # cross-entropy in nats; gradients flow to the prefix
    right: Tensor  # how many tokens were the most likely one
    tokens: int

    @property
    def mean(self) -> Tensor:
        """Nats per token."""
        return self.total / self.tokens


def caption_loss(lm: FrozenLanguageModel, prefix: Tensor, token_ids: Tensor, mask: Tensor) -> CaptionLoss:
    """How well [prefix; BOS; caption tokens; EOS] is predicted, over its text tokens.

    `prefix` [R, Q, H]; `token_ids` [R, T] and `mask` [R, T] (False on padding) as `CaptionTokens` gives them.
    Every text token is predicted from what is before it, BOS from the prefix alone, as in the authors' code.
    """
    embeddings = torch.cat([prefix.to(lm.dtype), lm.embed(token_ids)], dim=1)
    before = prefix.shape[1] - 1
    logits = lm.logits(embeddings, range(before, before + token_ids.shape[1]))
    logits, wanted = logits[mask].float(), token_ids[mask]
    right = (logits.detach().argmax(-1) == wanted).sum()
    return CaptionLoss(F.cross_entropy(logits, wanted, reduction="sum"), right, len(wanted))
