"""Where and how a model stage computes. Plain data; torch is imported by the worker that applies it."""

import sys
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field

from maccap.config import Config

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bfloat16", "float16"]


class Computes(Protocol):
    """Where a run computes; asking may start a cluster."""

    @property
    def has_gpu(self) -> bool: ...


def chosen_precision(
    asked: Literal["auto"] | Precision, recorded: Precision | None, machine: Computes
) -> Precision:
    """`auto` keeps to what a run began with, so that it can be resumed on another machine."""
    if asked != "auto":
        return asked
    return recorded or ("bfloat16" if machine.has_gpu else "float32")


class TorchRuntime(Config):
    """Device, precision and threads of one model stage."""

    device: Literal["cpu", "cuda"] = "cpu"
    precision: Precision = "float32"
    threads: int = Field(default=1, ge=1)

    def apply(self) -> tuple[str, "torch.dtype"]:
        """Set this process's torch threads; return the device and dtype to load weights with.

        Ray sets OMP_NUM_THREADS from an actor's fraction of a CPU, which for a fraction is one, so threads
        are set here.
        """
        import torch

        torch.set_num_threads(self.threads)
        dtype: Any = getattr(torch, self.precision)
        return self.device, dtype


def is_device_lost(error: RuntimeError) -> bool:
    """Whether a GPU failed under a computation: nothing else can be computed in this process any more.

    Out of memory is another matter: batches are halved (`maccap/runtime/fitting_batch.py`). A process that
    has not imported torch, as a driver, is not made to.
    """
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.AcceleratorError)
