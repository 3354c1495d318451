"""How many rows go through a transformer at once: so many that its matrix products are near their best.

More need memory for activations and no less time; on a CPU, whose caches they leave, more.
"""

import torch

_NUMBERS_ON_CPU, _NUMBERS_ON_GPU = 1 << 18, 1 << 26  # of hidden states: on a CPU 341 tokens 768 wide


def rows_at_once(length: int, width: int, device: torch.device) -> int:
    """Rows of `length` tokens whose hidden states are `width` wide, at least 1."""
    numbers = _NUMBERS_ON_GPU if device.type == "cuda" else _NUMBERS_ON_CPU
    return max(1, numbers // (length * width))
