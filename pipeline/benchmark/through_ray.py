"""An archive as `maccap caption` runs it, on a Ray of its own."""

import math
import shutil
import time
from pathlib import Path

import pyarrow.parquet as pq

from maccap.config import Config
from pipeline.benchmark.memory import TreeMemory
from pipeline.benchmark.setup import Setup
from pipeline.benchmark.ways import own_process
from pipeline.run.run_folder import CAPTIONS


class RayRun(Config):
    """One run on a Ray that is up."""

    images: int
    seconds: float  # from the command to `_SUCCESS`
    after_start: float  # images per second between the first file written and the last
    memory_mb: int  # peak of driver and workers together


class RayProcess:
    """A driver in its own process, with its own local Ray, which ends with `close`."""

    def __init__(self, setup: Setup) -> None:
        self._pool = own_process(_start, setup)

    def run(self, source: str) -> RayRun:
        """Caption `source` into a folder that is removed afterwards."""
        return self._pool.submit(_run, source).result()

    def close(self) -> None:
        self._pool.submit(_stop).result()
        self._pool.shutdown()


_setup: Setup


def _start(setup: Setup) -> None:
    global _setup
    from pipeline.execution.cluster import connect_to_ray

    _setup = setup
    connect_to_ray()
    _run(setup.warm_up)


def _run(source: str) -> RayRun:
    from pipeline.caption import caption_archive

    output, memory = Path(_setup.work) / "through-ray", TreeMemory()
    began = time.perf_counter()
    with memory.watched():
        summary = caption_archive(source, str(output), _setup.model, _setup.job())
    seconds = time.perf_counter() - began
    after_start = _rate_of_files(output / CAPTIONS)
    shutil.rmtree(output)
    return RayRun(
        images=summary.captioned or 0,
        seconds=round(seconds, 2),
        after_start=round(after_start, 2),
        memory_mb=memory.peak_mb,
    )


def _rate_of_files(folder: Path) -> float:
    """Rows per second, by when the files were written; NaN for a single file."""
    files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
    rows = sum(pq.read_metadata(file).num_rows for file in files[1:])
    seconds = files[-1].stat().st_mtime - files[0].stat().st_mtime
    return rows / seconds if seconds else math.nan


def _stop() -> None:
    import ray

    ray.shutdown()
