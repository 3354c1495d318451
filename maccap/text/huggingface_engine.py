"""The reference engine: a Hugging Face causal language model in this process, independent of batching."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from maccap.config import DecodingConfig
from maccap.keyed_random import uniforms
from maccap.runtime.batch_sizes import decoded_rows, needs_fixed_rows, prefixes_held
from maccap.runtime.packed_linear import pack_linears
from maccap.text.decoding import decode
from maccap.text.engine import Decoded, DrawKey, PromptIds
from maccap.text.language_model import FrozenLanguageModel
from maccap.text.prompted import ReadPrefixes
from maccap.text.text_logprobs import text_logprobs

_READ_TOGETHER = 64  # prefixes, where rows are fixed


class HuggingFaceEngine:
    """Decodes with `lm`; see `maccap.text.engine.DecodingEngine`."""

    def __init__(self, lm: FrozenLanguageModel) -> None:
        self._lm = lm

    @classmethod
    def load(cls, name: str, device: str | torch.device = "cpu", dtype: torch.dtype | None = None) -> Self:
        """Packed for inference where that pays."""
        lm = FrozenLanguageModel.load(name, device, dtype)
        pack_linears(lm)
        return cls(lm)

    @property
    def embedding_dim(self) -> int:
        return self._lm.embedding_dim

    @property
    def fixed_rows(self) -> bool:
        return needs_fixed_rows(self._lm.device, self._lm.dtype)

    def draws_at_once(self, decoding: DecodingConfig, tokens: int, batch_rows: int | None = None) -> int:
        """As many as memory has room for and as make it faster; where rows are fixed, by the model alone."""
        lm, each = self._lm, decoding.rows_per_draw
        rows = decoded_rows(lm.device, lm.dtype, lm.row_bytes(tokens), each, batch_rows)
        return max(1, rows // each)

    def prompt_ids(self, prompt: str | None = None) -> list[int]:
        return self._lm.prompt_ids(prompt)

    def prefixes_held(self, length: int) -> int:
        return prefixes_held(self._lm.device, self._lm.row_bytes(length))

    def read(self, prefixes: Tensor) -> Tensor | ReadPrefixes:
        if not self._lm.shares_reading:
            return prefixes
        return ReadPrefixes.of(self._lm, prefixes, _READ_TOGETHER if self.fixed_rows else None)

    def generate(
        self,
        prefixes: Tensor | ReadPrefixes,
        prompt_ids: PromptIds,
        decoding: DecodingConfig,
        keys: Sequence[DrawKey],
    ) -> list[list[Decoded]]:
        if not keys:
            return []
        numbers = _sampling_numbers(keys, decoding) if decoding.strategy == "sample" else None
        texts = decode(self._lm, prefixes, prompt_ids, decoding, numbers, fixed_rows=self.fixed_rows)
        samples = decoding.samples_per_draw
        return [texts[start : start + samples] for start in range(0, len(texts), samples)]

    def logprobs(
        self, prefixes: Tensor | ReadPrefixes, prompt_ids: PromptIds, texts: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        lm = self._lm
        longest = prefixes.shape[1] + len(np.atleast_2d(prompt_ids)[0]) + max(map(len, texts))
        rows = decoded_rows(lm.device, lm.dtype, lm.row_bytes(longest), len(texts))
        return text_logprobs(lm, prefixes, prompt_ids, texts, rows, fixed_rows=self.fixed_rows).tolist()

    @property
    def most_tokens(self) -> int | None:
        return self._lm.most_tokens

    def text(self, ids: Sequence[int], first_line: bool = False) -> str:
        return self._lm.text(list(ids), first_line)

    def language_model(self) -> FrozenLanguageModel:
        return self._lm


def _sampling_numbers(keys: Sequence[DrawKey], decoding: DecodingConfig) -> Tensor:
    """Uniform numbers [len(keys) * samples_per_draw, max_new_tokens], each row of a candidate of its own."""
    samples = decoding.samples_per_draw
    return torch.from_numpy(
        np.stack(
            [
                uniforms(key.seed, key.image_id, key.draw * samples + sample, decoding.max_new_tokens)
                for key in keys
                for sample in range(samples)
            ]
        )
    )
