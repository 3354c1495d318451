"""Captions as token ids, all of them tokenised once before training."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maccap.text.language_model import FrozenLanguageModel

_AT_ONCE = 10_000


class CaptionTokens:
    """Rows [BOS; caption tokens; EOS], at most `max_tokens` long with both; four bytes per token in
    memory.
    """

    def __init__(self, lm: FrozenLanguageModel, captions: Sequence[str], max_tokens: int) -> None:
        parts: list[NDArray[np.int32]] = []
        lengths: list[int] = []
        for start in range(0, len(captions), _AT_ONCE):
            rows = lm.caption_rows(captions[start : start + _AT_ONCE], max_tokens)
            lengths += map(len, rows)
            parts.append(np.concatenate([np.asarray(row, dtype=np.int32) for row in rows]))
        self.lengths = np.asarray(lengths, dtype=np.int64)  # [M]
        self._ends = np.cumsum(self.lengths)
        self._ids = np.concatenate(parts) if parts else np.empty(0, dtype=np.int32)
        self._padding = lm.padding_id

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, rows: NDArray[np.integer]) -> tuple[Tensor, Tensor]:
        """Ids [R, T] padded on the right, and a mask [R, T], False on padding."""
        width = int(self.lengths[rows].max())
        ids = np.full((len(rows), width), self._padding, dtype=np.int64)
        for position, row in enumerate(rows):
            text = self._ids[self._ends[row] - self.lengths[row] : self._ends[row]]
            ids[position, : len(text)] = text
        mask = np.arange(width) < self.lengths[rows][:, None]
        return torch.from_numpy(ids), torch.from_numpy(mask)
