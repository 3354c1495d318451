"""Products of bfloat16 in training, where a processor has them.

Without instructions for them torch computes one number after another: on a CPU of AVX2 alone a product takes
fifty times as long as in float32 (pytorch issue 146508).
"""

import torch

_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")  # of x86, of x86 with tiles, of ARM


def half_products(device: torch.device, wanted: bool = True) -> torch.autocast:
    """A context whose matrix products are of bfloat16 where `wanted` and `device` has such instructions, and
    else of the dtype of what is multiplied.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted and has_half_products(device))


def has_half_products(device: torch.device) -> bool:
    """Whether `device` is faster in bfloat16 than in float32; a GPU is taken to be."""
    if device.type != "cpu":
        return True
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in _INSTRUCTIONS)
