"""What the adaptor reads of a caption where it will read an image's regions.

The paper repeats the caption's feature, so that nothing teaches the adaptor that a region adds a part. With
`phrases` each region reads the caption and one of its parts, `text + patch_weight * phrase_i`, as it will
read `global + patch_weight * region_i`.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maccap.adaptor.phrases import phrases
from maccap.keyed_random import uniforms

WITHOUT = 0.25  # of the regions add nothing to the caption, as those of an image that show what others do


class TextFeatures(Protocol):
    """Features [M, D] of texts, unit length, half or single precision, on the CPU: a Tensor, or what reads
    the wanted rows from a file.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        """Those of `rows` [R]: [R, D]."""


class Phrases(NamedTuple):
    """The parts of M captions: caption i's are `rows[starts[i]:starts[i + 1]]` of `features`."""

    starts: NDArray[np.int64]  # [M + 1]
    rows: NDArray[np.int32]
    features: TextFeatures
    patch_weight: float

    def regions(self, captions: Tensor, of: NDArray[np.integer], draws: NDArray[np.float64]) -> Tensor:
        """Regions [B, N, D], float32, of caption features [B, D] of captions `of` [B]: with each the part
        that `draws` [B, N] in [0, 1) choose, or none, which is the caption once more.
        """
        first, count = self.starts[of][:, None], np.diff(self.starts)[of][:, None]
        chosen = np.floor((draws - WITHOUT) / (1 - WITHOUT) * count).astype(np.int64)
        has_part = (chosen >= 0) & (count > 0)
        added = captions.float()[:, None].expand(-1, draws.shape[1], -1).clone()
        if has_part.any():
            rows = self.rows[(first + chosen)[has_part]].astype(np.int64)
            wanted, place = np.unique(rows, return_inverse=True)
            parts = self.features[torch.from_numpy(wanted)].float()
            added[torch.from_numpy(has_part)] = parts[torch.from_numpy(place)]
        return captions.float()[:, None] + self.patch_weight * added


def distinct_phrases(captions: Sequence[str]) -> list[str]:
    """Those of all `captions`, in order of first sight."""
    return list(dict.fromkeys(phrase for caption in captions for phrase in phrases(caption)))


def phrases_of(
    captions: Sequence[str], texts: Sequence[str], features: TextFeatures, patch_weight: float
) -> Phrases:
    """The parts of `captions`, of which `features` [len(texts), D] are those of the distinct `texts`. Raises
    KeyError for a part that is none of them.
    """
    number = {text: row for row, text in enumerate(texts)}
    parts = [[number[phrase] for phrase in phrases(caption)] for caption in captions]
    starts = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    rows = np.fromiter((row for part in parts for row in part), dtype=np.int32, count=int(starts[-1]))
    return Phrases(starts, rows, features, patch_weight)


def region_draws(
    seed: int, occasion: str, positions: NDArray[np.integer], regions: int
) -> NDArray[np.float64]:
    """Numbers [B, N] in [0, 1) that belong to an `occasion` and the `positions` there."""
    return np.stack([uniforms(seed, occasion, int(position), regions) for position in positions])
