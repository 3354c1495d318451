"""Prefixes and the prompts that follow them, ready to be gone on from.

The keys and values of a prompt cannot be shared among images: the prefix comes before it, so that they depend
on the image. Those of a prefix are shared by all the prompts about its image.
"""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from maccap.runtime.fixed_rows import fill_up
from maccap.text.engine import PromptIds
from maccap.text.kv_cache import FixedCache
from maccap.text.language_model import FrozenLanguageModel


class ReadPrefixes:
    """Prefixes that a language model has read once: `some[rows]` are rows of them, as of a tensor."""

    def __init__(self, cache: FixedCache, rows: Tensor) -> None:
        self.cache, self.rows = cache, rows

    @classmethod
    def of(cls, lm: FrozenLanguageModel, prefixes: Tensor, part: int | None = None) -> Self:
        """Of prefixes [B, Q, H]. With `part`, always so many are read together, and so each has the same
        keys and values in any company.
        """
        count = len(prefixes)
        if part:
            prefixes = fill_up(prefixes, count + -count % part)
        _, cache = lm.prefill(prefixes.to(lm.device), part=part)
        return cls(cache, torch.arange(count, device=lm.device))

    @property
    def shape(self) -> tuple[int, int]:
        """How many there are, and of how many tokens each."""
        return len(self.rows), self.cache.read

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Sequence[int] | slice) -> "ReadPrefixes":
        return ReadPrefixes(self.cache, self.rows[rows])


class Prompted:
    """Prefixes [B, Q, H], read or not, that are each followed by prompt tokens [T], or [B, T] their own."""

    def __init__(
        self, lm: FrozenLanguageModel, prefixes: Tensor | ReadPrefixes, prompt_ids: PromptIds | Tensor
    ) -> None:
        self._lm, self._prefixes = lm, prefixes
        ids = torch.as_tensor(prompt_ids, dtype=torch.long)
        self._ids = ids.to(lm.device).expand(len(prefixes), -1)

    def __len__(self) -> int:
        return len(self._prefixes)

    def split(self, size: int) -> list["Prompted"]:
        """In parts of at most `size`."""
        parts = [slice(start, start + size) for start in range(0, len(self), size)]
        return [Prompted(self._lm, self._prefixes[part], self._ids[part]) for part in parts]

    def prefill(self, room: int, copies: int) -> tuple[Tensor, FixedCache]:
        """As `FrozenLanguageModel.prefill`."""
        lm, prefixes = self._lm, self._prefixes
        if isinstance(prefixes, ReadPrefixes):
            return lm.prefill_behind(prefixes.cache, prefixes.rows, self._ids, room, copies)
        prompt = lm.embed(self._ids)
        return lm.prefill(torch.cat([prefixes.to(lm.device, lm.dtype), prompt], dim=1), room, copies)
