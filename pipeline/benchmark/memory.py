"""Peak memory: of this process, and of a process with its children while something runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maccap.config import Config
from maccap.runtime.process_memory import peak_mb
from pipeline.run.run_periodically import run_periodically

_PROC = Path("/proc")


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
    return Peak(memory_mb=sum(map(peak_mb, _tree())), gpu_mb=gpu)


class TreeMemory:
    """Memory of this process and its descendants, looked at every `interval` seconds.

    A page that several processes share (Ray's object store, mapped weights) counts once. To find these out, a
    look at a local Ray takes 0.1 s of a core: every half second, that was a tenth of a run on two cores.
    """

    def __init__(self, interval: float = 5) -> None:
        self.interval = interval
        self.peak_mb = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look while the block runs, and at its beginning and end."""
        self._look()
        with run_periodically(self.interval, self._look):
            yield
        self._look()

    def _look(self) -> None:
        self.peak_mb = max(self.peak_mb, sum(map(_proportional_kb, _tree())) >> 10)


def _tree() -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in _PROC.glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        children.setdefault(int(after_name[1]), []).append(int(stat.parent.name))
    found = [int((_PROC / "self").readlink().name)]
    for parent in found:
        found += children.get(parent, [])
    return found


def _proportional_kb(process: int) -> int:
    try:
        lines = (_PROC / str(process) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
