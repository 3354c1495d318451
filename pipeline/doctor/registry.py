"""The checks of `maccap doctor`, in the order in which they are shown. To add one, add its line."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from pipeline.doctor.access import NETWORK_FIX, can_read, can_write
from pipeline.doctor.check import Check, Finding
from pipeline.doctor.java import java
from pipeline.doctor.machine import disks, memory, open_files, processors, shared_memory
from pipeline.doctor.models import models
from pipeline.doctor.packages import packages
from pipeline.doctor.ray import ray
from pipeline.storage.redact import shown

_STORAGE_SECONDS = 9.0


def checks(read: Sequence[str] = (), write: Sequence[str] = (), start_ray: bool = False) -> list[Check]:
    """Of this machine, and of the paths and URLs that are to be read and written."""
    return [
        Check("packages", packages),
        Check("Java", java, seconds=25),
        Check("processors", processors),
        Check("memory", memory),
        Check("shared memory", shared_memory),
        Check("disk", disks),
        Check("open files", open_files),
        Check("models", models, seconds=75),
        Check("Ray", partial(ray, start_ray), seconds=90),
        *(_storage(f"read {shown(url)}", partial(can_read, url)) for url in read),
        *(_storage(f"write {shown(url)}", partial(can_write, url)) for url in write),
    ]


def _storage(name: str, find: Callable[[], Iterable[Finding]]) -> Check:
    return Check(name, find, _STORAGE_SECONDS, NETWORK_FIX)
