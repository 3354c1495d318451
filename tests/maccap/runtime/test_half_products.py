"""A training in bfloat16 computes in it where the processor can, and in float32 elsewhere."""

from pathlib import Path

import pytest
import torch

from maccap.runtime.half_products import half_products, has_half_products

CPU = torch.device("cpu")
OF_LINUX = {"avx512_bf16", "amx_bf16", "bf16"}


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"neon": True, "bf16": True}, torch.bfloat16),
        ({}, torch.float32),
    ],
)
def test_products_are_of_what_the_processor_has(
    capabilities: dict[str, bool], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    ones = torch.ones(2, 2)
    with half_products(CPU):
        assert (ones @ ones).dtype == dtype
    with half_products(CPU, wanted=False):
        assert (ones @ ones).dtype == torch.float32


def test_this_processor_is_asked() -> None:
    listed = Path("/proc/cpuinfo")
    if not listed.exists():
        pytest.skip("lists its processor elsewhere")
    flags = next(line for line in listed.read_text().splitlines() if line.startswith(("flags", "Features")))
    assert has_half_products(CPU) == bool(OF_LINUX & set(flags.split()))


def test_a_gpu_has_them() -> None:
    assert has_half_products(torch.device("cuda"))
