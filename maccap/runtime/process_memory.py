"""What this process holds in memory, and what it freed, back to the system."""

import ctypes
import mmap
from contextlib import suppress
from pathlib import Path


def resident_mb() -> int:
    """What it holds now, in MB of 2^20 bytes. Linux alone."""
    return _status("VmRSS")


def peak_mb(process: int | str = "self") -> int:
    """The most that it, or another process, held since it began, in MB of 2^20 bytes. Linux alone."""
    return _status("VmHWM", process)


def trim_heap() -> None:
    """glibc keeps of what was freed the memory that lies between blocks still in use; this returns it.

    A few milliseconds' work, for after weights or activations of hundreds of megabytes are let go.
    """
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def lies_in_file(address: int) -> bool:
    """Whether this is memory of a mapped file. Linux alone; False elsewhere."""
    with suppress(OSError):
        for line in Path("/proc/self/maps").read_text().splitlines():
            bounds, *_, name = line.split(maxsplit=5)
            start, stop = (int(bound, 16) for bound in bounds.split("-"))
            if start <= address < stop:
                return name.startswith("/")
    return False


def forget_file(address: int, size: int) -> None:
    """Give back what this process has read of a file that is mapped there: read again, it comes again."""
    first = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
    length = max(0, (address + size - first) // mmap.PAGESIZE * mmap.PAGESIZE)
    ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(length), mmap.MADV_DONTNEED)


def _status(field: str, process: int | str = "self") -> int:
    # not getrusage: a new process starts with the peak of the one that made it
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) >> 10
