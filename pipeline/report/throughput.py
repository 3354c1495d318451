"""Images per second over the time that a run worked, from when the files of its table were written."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.storage.files import is_local, locate
from pipeline.storage.retries import storage

_LONG = 60.0  # seconds without a file, and ...
_MANY = 30  # ... so many times the usual interval, are a pause: the run was stopped, and resumed
_PARTS = 48  # of the time that the run worked, at most
_LEAST = 1.0  # seconds of work: files of a shorter time were copied, or are too few to tell


@dataclass(frozen=True)
class Throughput:
    """Images per second in parts of `width` seconds of work; pauses, `paused` seconds, are cut out."""

    images_per_second: NDArray[np.float64]
    width: float
    pauses: int
    paused: float

    @property
    def seconds(self) -> float:
        return self.width * len(self.images_per_second)


def measure_throughput(
    times: Sequence[float], rows: Sequence[int], began: float | None = None
) -> Throughput | None:
    """When each file was written, in seconds, and its rows; `began` is when the run began. A file's rows
    count as done evenly since the file before it. None where the times differ by less than a second.
    """
    if not times:
        return None
    order = np.argsort(times, kind="stable")
    ends, counts = np.asarray(times, np.float64)[order], np.asarray(rows, np.float64)[order]
    steps = np.diff(ends)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    first = usual if began is None or began >= ends[0] else ends[0] - began
    intervals = np.array([first, *steps])
    is_pause = intervals > max(_LONG, _MANY * usual)
    working = np.where(is_pause, usual, intervals)
    clock = working.cumsum()
    if clock[-1] < _LEAST:
        return None
    edges = np.linspace(0, clock[-1], min(_PARTS, len(ends)) + 1)
    done = np.interp(edges, [0.0, *clock], [0.0, *counts.cumsum()])
    width = float(edges[1])
    return Throughput(np.diff(done) / width, width, int(is_pause.sum()), float((intervals - working).sum()))


def written_times(folder: str) -> dict[str, float]:
    """When each file of the folder at this path or URL was last written, in seconds since 1970; one of
    which the storage does not say it is left out. Raises OSError.
    """
    filesystem, path = locate(folder)
    try:
        if is_local(filesystem):  # fsspec's list of dictionaries is ten times the memory
            with os.scandir(path) as found:
                return {entry.name: entry.stat().st_mtime for entry in found if entry.is_file()}
        entries = storage(filesystem.ls, path, detail=True)
    except FileNotFoundError:
        return {}
    times = ((str(entry["name"]).rsplit("/", 1)[-1], _time(entry)) for entry in entries)
    return {name: time for name, time in times if time is not None}


def _time(entry: dict[str, Any]) -> float | None:
    """As the clients of storages name it: of S3, Google's, and others."""
    value = next(
        (entry[key] for key in ("LastModified", "updated", "mtime", "created") if entry.get(key)), None
    )
    try:
        if isinstance(value, datetime):
            return value.timestamp()
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else value
    except ValueError:
        return None
