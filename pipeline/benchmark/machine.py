"""What this machine can do at best: its matrix rate and memory bandwidth, of which fractions are reported."""

import time
from collections.abc import Callable

import torch

from maccap.config import Config

_SECONDS = 1.5  # of each measurement
_EDGE = {"cpu": 2048, "cuda": 8192}
_COPIED = {"cpu": 256 << 20, "cuda": 2 << 30}  # bytes, far beyond any cache


class MachineLimits(Config):
    """The best seen, with all the cores or the GPU that the models get."""

    device: str
    dtype: str
    cores: int
    gflops: float  # 10^9 floating-point operations per second, of square matrix products in `dtype`
    gigabytes: float  # 10^9 bytes per second, read and written, of a large copy


def measure_machine(device: str, dtype: torch.dtype) -> MachineLimits:
    """Multiply and copy for a few seconds, with torch's threads as they are set."""
    edge, size = _EDGE[device], _COPIED[device]
    a, b = torch.randn(2, edge, edge, device=device).to(dtype)
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.ones_like(source)
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    return MachineLimits(
        device=name,
        dtype=str(dtype).removeprefix("torch."),
        cores=torch.get_num_threads(),
        gflops=round(2 * edge**3 / _best_seconds(lambda: a @ b, device) / 1e9, 1),
        gigabytes=round(2 * size / _best_seconds(lambda: target.copy_(source), device) / 1e9, 1),
    )


def timed(work: Callable[[], object], device: str) -> float:
    """Seconds that `work` takes, until the device has done it."""
    synchronise(device)
    began = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - began


def synchronise(device: str) -> None:
    """Wait for what a GPU still has to do."""
    if device == "cuda":
        torch.cuda.synchronize()


def _best_seconds(work: Callable[[], object], device: str) -> float:
    best, until = timed(work, device), time.perf_counter() + _SECONDS
    while time.perf_counter() < until:
        best = min(best, timed(work, device))
    return best
