"""Memory, processors, disks and limits of this machine, as far as a run depends on them."""

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
from rich.filesize import decimal

from maccap.runtime.cgroup_limits import cores, free_memory, limits
from pipeline.doctor.check import Finding

_LEAST_MEMORY, _GOOD_MEMORY = 512 << 20, 2 << 30
_LEAST_DISK, _GOOD_DISK = 64 << 20, 2 << 30
_FULL = 0.95  # of a disk, beyond which Ray spills nothing to it
_LEAST_FILES = 512
_SHARED_MEMORY = Path("/dev/shm")
_DOCKER_FIX = "In a container: docker run --shm-size=4g, or in Kubernetes an emptyDir with medium: Memory."


def processors() -> Iterator[Finding]:
    all_ = os.cpu_count() or 1
    allowed = cores()
    quota = limits().cpus
    text = f"{allowed} of {all_}" if allowed != all_ else f"{all_}"
    yield Finding("ok", text + (f", of which a container or job gets {quota:g}" if quota else ""))


def memory() -> Iterator[Finding]:
    total, free = memory_bytes()
    text = f"{decimal(free)} of {decimal(total)} free"
    if limits().memory is not None:
        text += ", by the limit of a container or job"
    if free < _GOOD_MEMORY:
        fix = "End what else runs here, or raise the limit (docker run --memory)."
        yield Finding("fault" if free < _LEAST_MEMORY else "warning", text, fix)
    else:
        yield Finding("ok", text)


def memory_bytes() -> tuple[int, int]:
    """All that this process may use, and what of it is free."""
    total = psutil.virtual_memory().total
    return min(total, limits().memory or total), free_memory()


def shared_memory(folder: Path = _SHARED_MEMORY) -> Iterator[Finding]:
    """Where Ray's object store lies, unless it is too large for it."""
    if not folder.is_dir():  # not Linux
        return
    if not os.access(folder, os.W_OK):
        yield Finding("fault", f"{folder} cannot be written, and Ray needs it", _DOCKER_FIX)
        return
    free = shutil.disk_usage(folder).free
    if free < min(0.3 * memory_bytes()[1], max(10e9, 0.95 * free)):  # how large Ray makes its object store
        text = f"{decimal(free)} free in {folder}: Ray puts its object store on a disk instead, far slower"
        yield Finding("warning", text, f"{_DOCKER_FIX} 30 % of the memory is enough.")
    else:
        yield Finding("ok", f"{decimal(free)} free in {folder} for Ray's object store")


def disks() -> Iterator[Finding]:
    """Those of Ray's and other temporary files, and of downloaded weights."""
    temporary = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
    weights = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    yield disk(temporary, "Ray's files and temporary ones", "RAY_TMPDIR and TMPDIR name other folders.")
    rarely = disk(weights, "downloaded weights", "HF_HOME names another folder.")
    yield rarely._replace(status="warning") if rarely.status == "fault" else rarely


def disk(folder: Path, what: str, other: str) -> Finding:
    """Of the folder, which need not be there yet."""
    folder = existing(folder)
    if not os.access(folder, os.W_OK):
        return Finding("fault", f"{folder}, for {what}, cannot be written", other)
    usage = shutil.disk_usage(folder)
    used = usage.used / (usage.used + usage.free)
    text = f"{decimal(usage.free)} free in {folder}, for {what} ({used:.0%} of the disk is used)"
    if usage.free >= _GOOD_DISK and used <= _FULL:
        return Finding("ok", text)
    return Finding("fault" if usage.free < _LEAST_DISK else "warning", text, f"Free some. {other}")


def existing(folder: Path) -> Path:
    """`folder`, or the nearest of its parents that is there."""
    return next((place for place in (folder, *folder.parents) if place.exists()), folder)


def open_files() -> Iterator[Finding]:
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # up to which Ray raises its own
    if allowed != resource.RLIM_INFINITY and allowed < _LEAST_FILES:
        fix = f"Raise it to {_LEAST_FILES} or more: ulimit -n, or docker run --ulimit nofile=65536."
        yield Finding("fault", f"{allowed} are allowed, too few for Ray", fix)
    else:
        yield Finding("ok", "no limit" if allowed == resource.RLIM_INFINITY else f"{allowed:,} are allowed")
