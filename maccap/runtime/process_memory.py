"""What this process holds in memory, and what it freed, back to the system."""

import ctypes
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


def _status(field: str, process: int | str = "self") -> int:
    # not getrusage: a new process starts with the peak of the one that made it
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) >> 10
