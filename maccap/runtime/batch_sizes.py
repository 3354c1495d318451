"""How many rows go through a model at once: so many that its matrix products are near their best, and no more
than memory holds. More need memory for activations and no less time; on a CPU, whose caches they leave, more.

In half precision, and on a GPU, the number of rows decides how a kernel adds up, and so now and then a
caption: there it follows from the model alone (`maccap.runtime.fixed_rows`).
"""

import torch

from maccap.runtime.cgroup_limits import free_memory

IMAGES, TEXTS = 64, 64  # rows that CLIP sees together, at most

_PREFIX_BYTES_ON_CPU, _PREFIX_BYTES_ON_GPU = 256 << 20, 2 << 30
_NUMBERS_ON_CPU, _NUMBERS_ON_GPU = 1 << 18, 1 << 26  # of hidden states: on a CPU 341 tokens 768 wide

# On a CPU so many prefixes, or rows that share theirs, keep the matrix products near their best: more cost
# memory, and help a small model alone, whose steps are short against what surrounds them.
_DRAWS_ON_CPU, _ROWS_ON_CPU = 24, 35
_SMALL_ROWS_ON_CPU, _SMALL_BYTES = 512, 96 << 20
_FIXED_ON_CPU, _FIXED_ON_GPU = 64, 1024
_GPU_BYTES = 8 << 30  # of keys, values and logits: beside a model of 7 billion on a GPU of 24 GB

# of the free memory; the rest is for one layer's activations, and for others on the machine
_FRACTION = 0.5


def rows_at_once(length: int, width: int, device: torch.device) -> int:
    """Rows of `length` tokens whose hidden states are `width` wide, at least 1."""
    numbers = _NUMBERS_ON_GPU if device.type == "cuda" else _NUMBERS_ON_CPU
    return max(1, numbers // (length * width))


def prefixes_held(device: torch.device, row_bytes: int) -> int:
    """Prefixes whose keys and values, `row_bytes` each, wait for their prompts together; at least 1."""
    held = _PREFIX_BYTES_ON_CPU if device.type == "cpu" else _PREFIX_BYTES_ON_GPU
    return max(1, held // max(1, row_bytes))


def needs_fixed_rows(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a row's numbers depend on how many are computed with it (`maccap.runtime.fixed_rows`)."""
    return device.type != "cpu" or dtype != torch.float32


def decoded_rows(
    device: torch.device, dtype: torch.dtype, row_bytes: int, rows_per_draw: int, most: int | None = None
) -> int:
    """Rows of `row_bytes` that a language model decodes together, `rows_per_draw` of them from one prefix; at
    most `most`, and where rows are fixed exactly so many.

    On a GPU a step takes as long for some hundred rows as for a few, on a CPU longer for each.
    """
    if needs_fixed_rows(device, dtype):
        return most or _fixed_rows(device, row_bytes)
    if most is None:
        few = min(_ROWS_ON_CPU, _DRAWS_ON_CPU * rows_per_draw)
        most = max(few, min(_SMALL_ROWS_ON_CPU, _SMALL_BYTES // row_bytes))
    return rows_that_fit(row_bytes, device, most)


def rows_that_fit(row_bytes: int, device: torch.device, most: int) -> int:
    """Rows of `row_bytes` that half of the device's free memory holds: at least 1, at most `most`."""
    return max(1, min(most, int(_free_bytes(device) * _FRACTION) // max(1, row_bytes)))


def _fixed_rows(device: torch.device, row_bytes: int) -> int:
    if device.type == "cpu":
        return _FIXED_ON_CPU
    fitting = max(1, _GPU_BYTES // max(1, row_bytes))
    return min(_FIXED_ON_GPU, 1 << (fitting.bit_length() - 1))


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + held
    return free_memory()
