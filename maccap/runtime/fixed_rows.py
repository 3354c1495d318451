"""Batches of one size, where a row's numbers would otherwise depend on how many rows are computed beside it.

Kernels for matrix products and attention are chosen by the number of rows, and add up in another order each.
In float32 on a CPU those used here do not (`maccap.runtime.packed_linear`); in half precision, and on a
GPU, the rounding shows now and then as another caption. So there everything goes through the models in blocks
of a fixed number of rows, the last one filled up; and in a decode a row that has ended keeps its place.
"""

import torch
from torch import Tensor

IMAGES, TEXTS = 64, 64  # rows that CLIP sees together, at most
_DECODED_ON_CPU, _DECODED_ON_GPU = 64, 1024  # rows that the language model decodes together
_GPU_BYTES = 8 << 30  # of keys, values and logits: beside a model of 7 billion on a GPU of 24 GB
_TOKENS = 8  # texts are as long as a multiple of it


def needs_fixed_rows(device: torch.device, dtype: torch.dtype) -> bool:
    return device.type != "cpu" or dtype != torch.float32


def decoded_rows(device: torch.device, row_bytes: int) -> int:
    """Rows of `row_bytes` that are decoded together: by the model alone, not by what memory is free.

    On a GPU a step takes as long for some hundred rows as for a few, on a CPU longer for each.
    """
    if device.type == "cpu":
        return _DECODED_ON_CPU
    fitting = max(1, _GPU_BYTES // max(1, row_bytes))
    return min(_DECODED_ON_GPU, 1 << (fitting.bit_length() - 1))


def fill_up(rows: Tensor, size: int) -> Tensor:
    """[R, ...] to [size, ...]: the last row again where there are fewer."""
    missing = size - len(rows)
    return torch.cat([rows, rows[-1:].expand(missing, *rows.shape[1:])]) if missing else rows


def padded_length(length: Tensor, most: int) -> Tensor:
    """Lengths of texts in tokens, each rounded up by itself."""
    return (-(-length // _TOKENS) * _TOKENS).clamp(max=most)
