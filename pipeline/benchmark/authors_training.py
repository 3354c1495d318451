"""The authors' training loop, step for step, to measure ours against.

CLIP's text tower runs inside the step on texts padded to its whole context, captions are padded to 25 tokens,
the loss is taken over every position of the padded text, and a batch holds 16.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from maccap.adaptor.adaptor import Adaptor
from maccap.adaptor.noise import add_noise
from maccap.image.clip import FrozenClip
from maccap.text.language_model import FrozenLanguageModel

BATCH = 16
_TEXT_TOKENS = 25


class AuthorsTraining:
    """One optimiser step a call."""

    def __init__(
        self, adaptor: Adaptor, clip: FrozenClip, lm: FrozenLanguageModel, regions: int, noise_variance: float
    ) -> None:
        self.adaptor, self.clip, self.lm = adaptor.train(), clip, lm
        self._regions, self._variance = regions, noise_variance
        self._optimizer = torch.optim.AdamW(adaptor.parameters(), lr=1e-4)

    def step(self, captions: Sequence[str]) -> float:
        """Train on `captions`; the loss."""
        features = self._text_features(captions)[:, None].expand(-1, self._regions, -1)
        prefix = self.adaptor(add_noise(features, torch.randn(features.shape), self._variance))
        ids = self._token_ids(captions)
        embeddings = torch.cat([prefix, self.lm.embed(ids)], dim=1)
        logits = self.lm.logits(embeddings)[:, prefix.shape[1] - 1 : -1]
        loss = F.cross_entropy(logits.flatten(0, 1), ids.flatten())
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.adaptor.parameters(), 1.0)
        self._optimizer.step()
        return loss.item()

    @torch.no_grad()
    def _text_features(self, captions: Sequence[str]) -> Tensor:
        return F.normalize(self.clip.model.encode_text(self.clip.tokenize(captions)), dim=-1)

    def _token_ids(self, captions: Sequence[str]) -> Tensor:
        padding = self.lm.padding_id
        rows = self.lm.caption_rows(captions, _TEXT_TOKENS)
        return torch.tensor([row + [padding] * (_TEXT_TOKENS - len(row)) for row in rows])
