"""What this process may use of the machine. A container, a Slurm job or a systemd slice limits it by control
groups.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

_ROOT, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


class Limits(NamedTuple):
    """The lowest of all groups that this process is in; None where none is set. Memory in bytes."""

    memory: int | None
    memory_free: int | None
    cpus: float | None


def limits(root: Path = _ROOT, own: Path = _OWN) -> Limits:
    """Of version 2 and of version 1 of the kernel's interface."""
    memory, free, cpus = [], [], []
    for group in _groups(root, own):
        limit = _number(group / "memory.max") or _number(group / "memory.limit_in_bytes")
        if limit is not None and limit < sys.maxsize // 2:  # version 1 writes a number for none
            used = _number(group / "memory.current") or _number(group / "memory.usage_in_bytes") or 0
            memory.append(limit)
            # files that were read can be dropped
            free.append(max(0, limit - used + _inactive_files(group / "memory.stat")))
        if (quota := _cpus(group)) is not None:
            cpus.append(quota)
    return Limits(min(memory, default=None), min(free, default=None), min(cpus, default=None))


def cores() -> int:
    """Those that this process is bound to, as by Slurm or taskset; quotas of control groups do not count."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory() -> int:
    """In bytes, of the machine or of the control groups, where these have less."""
    free = psutil.virtual_memory().available
    group = limits().memory_free
    return free if group is None else min(free, group)


def _groups(root: Path, own: Path) -> Iterator[Path]:
    """The process's groups, their parents, and the root, which in a container is its own group."""
    for line in _text(own).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for name in {controllers, *controllers.split(",")}:
            top = root / name if name else root
            group = top / path.strip("/")
            yield from (group, *(parent for parent in group.parents if parent.is_relative_to(top)))


def _cpus(group: Path) -> float | None:
    if words := _text(group / "cpu.max").split():
        return None if words[0] == "max" else int(words[0]) / int(words[1])
    quota, period = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
    return quota / period if quota and period and quota > 0 else None


def _inactive_files(stat: Path) -> int:
    for line in _text(stat).splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0


def _number(file: Path) -> int | None:
    text = _text(file).strip()
    return int(text) if text.lstrip("-").isdecimal() else None


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
