"""As many rows at once as memory holds: estimated from what is free, and halved where that was too many."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import torch

Result = TypeVar("Result")

# of the free memory; the rest is for one layer's activations, and for others on the machine
_SHARE = 0.5
_NO_MEMORY = ("can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED")


def rows_that_fit(row_bytes: int, device: torch.device, most: int) -> int:
    """Rows of `row_bytes` that half of the device's free memory holds: at least 1, at most `most`."""
    return max(1, min(most, int(_free_bytes(device) * _SHARE) // max(1, row_bytes)))


class FittingBatch:
    """Batches that get smaller, for good, each time memory runs out."""

    def __init__(self) -> None:
        self._most: int | None = None

    def over(
        self, count: int, size: int, work: Callable[[slice], Result], halve: bool = True
    ) -> Iterator[Result]:
        """What `work` gives for each batch of at most `size` of `count` rows, in order.

        A batch for which memory runs out is tried again at half its size. Raises MemoryError where one row
        does not fit, or without `halve` where a batch does not.
        """
        start = 0
        while start < count:
            rows = slice(start, min(count, start + (size if self._most is None else min(size, self._most))))
            done = self._attempt(rows, work, halve)
            if done is not None:
                yield done[0]
                start = rows.stop

    def _attempt(self, rows: slice, work: Callable[[slice], Result], halve: bool) -> tuple[Result] | None:
        """None where memory ran out, once what the attempt held is freed with its exception."""
        try:
            return (work(rows),)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            problem = str(error).split("\n")[0]
        if not halve:
            raise MemoryError(
                "too many candidates are decoded at once for this memory, and in half precision their number "
                f"decides captions: set candidate_batch lower, in a run of its own ({problem})"
            )
        size = rows.stop - rows.start
        if size == 1:
            raise MemoryError(f"not even one row at a time fits into memory: {problem}")
        self._most = size // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error) for words in _NO_MEMORY)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + held
    machine = _numbers(Path("/proc/meminfo"))
    if "MemAvailable:" not in machine:  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return min(machine["MemAvailable:"] << 10, _free_in_container())


def _free_in_container(group: Path = Path("/sys/fs/cgroup")) -> int:
    """What is left of a container's own limit; files that it has read can be dropped and count as free."""
    try:
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        return max(0, limit - used + _numbers(group / "memory.stat").get("inactive_file", 0))
    except (OSError, ValueError):  # no container, or one without a limit
        return sys.maxsize


def _numbers(file: Path) -> dict[str, int]:
    """The lines `name number ...` of a file of the kernel's; none where there is no such file."""
    try:
        lines = [line.split() for line in file.read_text().splitlines()]
    except OSError:
        return {}
    return {words[0]: int(words[1]) for words in lines}
