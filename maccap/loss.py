"""The training loss: how well the frozen language model says a caption after the adaptor's prefix."""

import torch
import torch.nn.functional as F
from torch import Tensor

from maccap.language_model import FrozenLanguageModel


def caption_loss(lm: FrozenLanguageModel, prefix: Tensor, token_ids: Tensor, mask: Tensor) -> Tensor:
    """Mean cross-entropy over the text tokens of [prefix; BOS; caption tokens; EOS], padding ignored.

    `prefix` [R, Q, H]; `token_ids` [R, T] and `mask` [R, T] (False on padding) as `caption_ids` gives them.
    Every text token is predicted from what is before it, BOS from the prefix alone, as in the authors' code.
    Gradients flow to the prefix.
    """
    embeddings = torch.cat([prefix.to(lm.dtype), lm.embed(token_ids)], dim=1)
    text = token_ids.shape[1]
    logits = lm.logits(embeddings)[:, -text - 1 : -1]
    return F.cross_entropy(logits[mask].float(), token_ids[mask])
