"""Batches of one size, where a row's numbers would otherwise depend on how many rows are computed beside it.

Kernels for matrix products and attention are chosen by the number of rows, and add up in another order each.
In float32 on a CPU those used here do not (`maccap.runtime.packed_linear`); in half precision, and on a
GPU, the rounding shows now and then as another caption. So there everything goes through the models in blocks
of a fixed number of rows, the last one filled up; and in a decode a row that has ended keeps its place.
"""

from typing import TypeVar

import torch
from torch import Tensor

Item = TypeVar("Item")

_TOKENS = 8  # texts are as long as a multiple of it


def fill_up(rows: Tensor, size: int) -> Tensor:
    """[R, ...] to [size, ...]: the last row again where there are fewer."""
    missing = size - len(rows)
    return torch.cat([rows, rows[-1:].expand(missing, *rows.shape[1:])]) if missing else rows


def filled(items: list[Item], size: int) -> list[Item]:
    """As `fill_up`, of a list."""
    return items + items[-1:] * (size - len(items))


def padded_length(length: Tensor, most: int) -> Tensor:
    """Lengths of texts in tokens [R], each rounded up by itself, to `most` at most."""
    return (-(-length // _TOKENS) * _TOKENS).clamp(max=most)
