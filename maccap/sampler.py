"""Candidates of an image: region noise, adaptor, language model. One draw of noise and one decode each."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from maccap.adaptor.adaptor import Adaptor
from maccap.adaptor.gap import GapCorrection
from maccap.adaptor.noise import RegionNoise
from maccap.config import DecodingConfig, PromptConfig
from maccap.keyed_random import normals
from maccap.runtime.fitting_batch import FittingBatch
from maccap.runtime.fixed_rows import filled
from maccap.text.engine import Decoded, DecodingEngine, DrawKey


class Candidate(NamedTuple):
    """One caption an image may get, and the log-probability of its tokens (see `Decoded`)."""

    text: str
    logprob: float


class CandidateSampler(nn.Module):
    """Several candidates per image from its features; `noise` is what the adaptor was trained with, and `gap`
    what brings images closer to its texts.

    Raises ValueError where adaptor and language model do not fit together.
    """

    def __init__(
        self,
        adaptor: Adaptor,
        engine: DecodingEngine,
        noise: RegionNoise,
        gap: GapCorrection | None = None,
    ) -> None:
        super().__init__()
        if adaptor.config.llm_dim != engine.embedding_dim:
            raise ValueError(
                f"the adaptor writes prefixes of width {adaptor.config.llm_dim}, but the language model's "
                f"embeddings are {engine.embedding_dim} wide; adaptor.llm_dim must be {engine.embedding_dim}"
            )
        self.adaptor = adaptor.eval()
        self.engine = engine
        self.noise = noise
        self.gap = gap
        self._batch = FittingBatch()
        self.tokens_written = 0  # in all, by the language model

    @torch.no_grad()
    def forward(
        self,
        features: Tensor,
        image_ids: Sequence[str],
        seed: int,
        decoding: DecodingConfig,
        *,
        prompt: PromptConfig | None = None,
        batch_rows: int | None = None,
    ) -> list[list[Candidate]]:
        """K candidates for each row of `features` [R, N, D] (global plus regions, before noise).

        Candidate k has noise draw k // samples_per_draw and random numbers of its own, both keyed by `seed`,
        the image's id and their index: no other row, batch size or K affects it. A caption goes on from
        `prompt`. How many rows are decoded at once is the engine's to say, beams counted, up to `batch_rows`.
        Raises ValueError where features and ids differ in number, or the prompt is too long for the language
        model; MemoryError where not even one draw fits, or the number of rows is fixed
        (`maccap.runtime.fixed_rows`) and they do not.
        """
        if len(features) != len(image_ids):
            raise ValueError(f"{len(features)} rows of features, but {len(image_ids)} image ids")
        jobs = [(row, draw) for row in range(len(features)) for draw in range(decoding.draws)]
        prompt_ids = self.engine.prompt_ids(prompt.prompt() if prompt else None)
        room = self.room(decoding.max_new_tokens) if prompt else None
        if room is not None and len(prompt_ids) > room:
            raise ValueError(
                f"the prompt has {len(prompt_ids)} tokens, and the language model has room for {room}"
            )
        fixed = self.engine.fixed_rows
        size = self.draws_at_once(decoding, len(prompt_ids), batch_rows)

        def texts_of(part: slice) -> list[list[Decoded]]:
            batch = filled(jobs[part], size) if fixed else jobs[part]
            keys = [DrawKey(seed, image_ids[row], draw) for row, draw in batch]
            prefixes = self.prefixes(features, [row for row, _ in batch], keys)
            return self.engine.generate(prefixes, prompt_ids, decoding, keys)[: len(jobs[part])]

        candidates: list[list[Candidate]] = [[] for _ in image_ids]
        drawn = chain.from_iterable(self._batch.over(len(jobs), size, texts_of, halve=not fixed))
        for (row, _), texts in zip(jobs, drawn, strict=True):
            self.tokens_written += sum(len(text.token_ids) for text in texts)
            candidates[row] += [Candidate(self._text(text.token_ids, prompt), text.logprob) for text in texts]
        return candidates

    def room(self, new_tokens: int) -> int | None:
        """Tokens that the language model reads between a prefix and so many new ones; None for any number."""
        most = self.engine.most_tokens
        return None if most is None else most - self.adaptor.config.queries - new_tokens

    def draws_at_once(self, decoding: DecodingConfig, prompt: int = 1, batch_rows: int | None = None) -> int:
        """Noise draws in one batch, as `forward` explains; `prompt` is in tokens, BOS included."""
        tokens = self.adaptor.config.queries + prompt + decoding.max_new_tokens
        return self.engine.draws_at_once(decoding, tokens, batch_rows)

    def _text(self, ids: Sequence[int], prompt: PromptConfig | None) -> str:
        if prompt is None or not prompt.keep:
            return self.engine.text(ids)
        return self.engine.text([*self.engine.prompt_ids(prompt.text), *ids])

    def prefixes(self, features: Tensor, rows: Sequence[int], keys: Sequence[DrawKey]) -> Tensor:
        """[B, Q, H] of `rows` of the features [R, N, D], each with the noise of its key."""
        device = self.adaptor.queries.device
        chosen = features[torch.tensor(rows, device=features.device)].to(device, torch.float32)
        if self.gap is not None:
            chosen = self.gap(chosen)
        if self.noise.variance == 0:
            return self.adaptor(self.noise(chosen, torch.zeros_like(chosen)))
        shape = tuple(features.shape[1:])
        eps = torch.from_numpy(np.stack([normals(key.seed, key.image_id, key.draw, shape) for key in keys]))
        return self.adaptor(self.noise(chosen, eps.to(device)))
