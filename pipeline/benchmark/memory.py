"""Peak memory: of this process, and of a process with its children while something runs."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from maccap.config import Config
from maccap.runtime.process_memory import peak_mb
from pipeline.benchmark.processes import process_tree
from pipeline.run.run_periodically import run_periodically

_LOOK_SECONDS = 5.0


class Peak(Config):
    """The most that was held at one time, in MB of 2^20 bytes."""

    memory_mb: int
    gpu_mb: int | None = None


def own_peak() -> Peak:
    """Of this process since it began, loading of weights included, and of those it started, each at its own
    peak: the most they can have held together.
    """
    import torch

    gpu = torch.cuda.max_memory_allocated() >> 20 if torch.cuda.is_initialized() else None
    return Peak(memory_mb=sum(peak_mb(process.pid) for process in process_tree()), gpu_mb=gpu)


class TreeMemory:
    """Memory of this process and its descendants, looked at every few seconds.

    A page that several processes share (Ray's object store, mapped weights) counts once. To find these out, a
    look at a local Ray takes 0.1 s of a core: every half second, that was a tenth of a run on two cores.
    """

    def __init__(self) -> None:
        self.peak_mb = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look while the block runs, and at its beginning and end."""
        self._look()
        with run_periodically(_LOOK_SECONDS, self._look):
            yield
        self._look()

    def _look(self) -> None:
        self.peak_mb = max(self.peak_mb, _proportional_mb())


def _proportional_mb() -> int:
    total = 0
    for process in process_tree():
        with suppress(psutil.Error):  # it has ended
            total += process.memory_full_info().pss
    return total >> 20
