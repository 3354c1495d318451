"""Candidates of an image: region noise, adaptor, language model. One draw of noise and one decode each."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from maccap.adaptor.adaptor import Adaptor
from maccap.adaptor.noise import add_noise
from maccap.config import DecodingConfig
from maccap.keyed_random import normals, uniforms
from maccap.runtime.fitting_batch import FittingBatch, rows_that_fit
from maccap.runtime.fixed_rows import decoded_rows, needs_fixed_rows
from maccap.runtime.process_memory import give_back
from maccap.text.decoding import Decoded, decode
from maccap.text.language_model import FrozenLanguageModel

# On a CPU so many prefixes, or rows that share theirs, keep the matrix products near their best: more cost
# memory, and help a small model alone, whose steps are short against what surrounds them.
_DRAWS_ON_CPU, _ROWS_ON_CPU = 24, 35
_SMALL_ROWS_ON_CPU, _SMALL_BYTES = 512, 96 << 20


class Candidate(NamedTuple):
    """One caption an image may get, and the log-probability of its tokens (see `Decoded`)."""

    text: str
    logprob: float


class CandidateSampler(nn.Module):
    """Several candidates an image from its features; `noise_variance` is the one the adaptor was trained
    with.

    Raises ValueError where adaptor and language model do not fit together.
    """

    def __init__(self, adaptor: Adaptor, lm: FrozenLanguageModel, noise_variance: float) -> None:
        super().__init__()
        if adaptor.config.llm_dim != lm.embedding_dim:
            raise ValueError(
                f"the adaptor writes prefixes of width {adaptor.config.llm_dim}, but the language model's "
                f"embeddings are {lm.embedding_dim} wide; adaptor.llm_dim must be {lm.embedding_dim}"
            )
        self.adaptor = adaptor.eval()
        self.lm = lm
        self.noise_variance = noise_variance
        self._batch = FittingBatch()

    @torch.no_grad()
    def forward(
        self,
        features: Tensor,
        image_ids: Sequence[str],
        seed: int,
        decoding: DecodingConfig,
        *,
        prompt: str | None = None,
        batch_rows: int | None = None,
    ) -> list[list[Candidate]]:
        """K candidates for each row of `features` [R, N, D] (global plus regions, before noise).

        Candidate k has noise draw k // samples_per_draw and random numbers of its own, both keyed by `seed`,
        the image's id and their index: no other row, batch size or K has a say. `prompt` follows BOS (none
        for a caption). The language model holds as many rows at once as memory has room for, beams counted,
        up to `batch_rows`, by default the number from which more do not make it faster; in half precision and
        on a GPU always so many (`maccap.runtime.fixed_rows`). Raises MemoryError where these do not fit, or
        not even one draw does.
        """
        if len(features) != len(image_ids):
            raise ValueError(f"{len(features)} rows of features, but {len(image_ids)} image ids")
        jobs = [(row, draw) for row in range(len(features)) for draw in range(decoding.draws)]
        prompt_ids = self.lm.prompt_ids(prompt)
        fixed = needs_fixed_rows(self.lm.device, self.lm.dtype)
        size = self.draws_at_once(decoding, len(prompt_ids), batch_rows)

        def texts_of(part: slice) -> list[Decoded]:
            batch = jobs[part]
            wanted = len(batch) * decoding.samples_per_draw
            if fixed:
                batch = batch + [batch[-1]] * (size - len(batch))
            prefix = self._prefix(features, image_ids, seed, batch)
            give_back()  # keys and values are not to come on top of what the adaptor took
            numbers = _sampling_numbers(image_ids, seed, batch, decoding)
            return decode(self.lm, prefix, prompt_ids, decoding, numbers, fixed_rows=fixed)[:wanted]

        candidates: list[list[Candidate]] = [[] for _ in image_ids]
        texts = chain.from_iterable(self._batch.over(len(jobs), size, texts_of, halve=not fixed))
        for position, text in enumerate(texts):
            row = jobs[position // decoding.samples_per_draw][0]
            candidates[row].append(Candidate(self.lm.text(text.token_ids), text.logprob))
        return candidates

    def draws_at_once(self, decoding: DecodingConfig, prompt: int = 1, batch_rows: int | None = None) -> int:
        """Noise draws in one batch, as `forward` explains; `prompt` is in tokens, BOS included."""
        row_bytes = self.lm.row_bytes(self.adaptor.config.queries + prompt + decoding.max_new_tokens)
        if needs_fixed_rows(self.lm.device, self.lm.dtype):
            return max(1, (batch_rows or decoded_rows(self.lm.device, row_bytes)) // decoding.rows_per_draw)
        if batch_rows is None:
            few = min(_ROWS_ON_CPU, _DRAWS_ON_CPU * decoding.rows_per_draw)
            batch_rows = max(few, min(_SMALL_ROWS_ON_CPU, _SMALL_BYTES // row_bytes))
        return max(1, rows_that_fit(row_bytes, self.lm.device, batch_rows) // decoding.rows_per_draw)

    def _prefix(
        self, features: Tensor, image_ids: Sequence[str], seed: int, jobs: list[tuple[int, int]]
    ) -> Tensor:
        device = self.adaptor.queries.device
        shape = tuple(features.shape[1:])
        rows = torch.tensor([row for row, _ in jobs], device=features.device)
        chosen = features[rows].to(device, torch.float32)
        if self.noise_variance == 0:
            return self.adaptor(add_noise(chosen, torch.zeros_like(chosen), 0.0))
        eps = np.stack([normals(seed, image_ids[row], draw, shape) for row, draw in jobs])
        return self.adaptor(add_noise(chosen, torch.from_numpy(eps).to(device), self.noise_variance))


def _sampling_numbers(
    image_ids: Sequence[str], seed: int, jobs: list[tuple[int, int]], decoding: DecodingConfig
) -> Tensor | None:
    """Uniform numbers [jobs * samples_per_draw, max_new_tokens], None for strategies that take none."""
    if decoding.strategy != "sample":
        return None
    samples = decoding.samples_per_draw
    return torch.from_numpy(
        np.stack(
            [
                uniforms(seed, image_ids[row], draw * samples + sample, decoding.max_new_tokens)
                for row, draw in jobs
                for sample in range(samples)
            ]
        )
    )
