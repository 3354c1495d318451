"""What the driver takes for a run that is too large to make here: listing, pinning and resuming, by the real
code, of files that a server on this machine makes up.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from maccap.config import Config
from maccap.runtime.process_memory import peak_mb, resident_mb
from pipeline.benchmark.listing_server import CHUNKS, TARS, made_up_bucket, tar_name
from pipeline.benchmark.ways import own_process
from pipeline.chunk import CHUNK_KEY, parse_file_name, shard_file_stem
from pipeline.run.completed_chunks import WrittenChunks, unfinished
from pipeline.run.pinned_plan import compared, plan_file, planned_shards
from pipeline.run.run_folder import FOOTERS_AT_ONCE
from pipeline.sources import plan_source
from pipeline.stages.write import ChunkFooter, read_footer
from pipeline.storage.folder import Folder

_ROWS = 512
_FOOTERS = 2000  # that are read, of all


class Step(Config):
    """One step for `count` files, in seconds by the clock and of a core, and the most memory that its process
    held until its end, in MB of 2^20 bytes, over what it began with.
    """

    name: str
    count: int
    seconds: float
    core_seconds: float
    memory_mb: int

    def line(self) -> str:
        """For a person."""
        return (
            f"{self.name:44} {self.count:10,} {self.seconds:8.1f} s {self.core_seconds:8.1f} core s "
            f"{self.memory_mb:7,} MB"
        )


class LargeRuns(Config):
    """All steps. A process for the first three, and one for each kind of the others."""

    tars: int
    chunks: int
    steps: list[Step]


def measure_large_runs(tars: int, chunks_a_tar: int, say: Callable[[str], object]) -> LargeRuns:
    """Of a bucket with so many tars, and of a run with so many chunks of each."""
    steps: list[Step] = []
    with made_up_bucket(tars, chunks_a_tar, chunk_file()):
        for work in (_planning, _listing, partial(_totals, tars, chunks_a_tar), _verifying):
            with own_process() as process:
                found = process.submit(work).result()
            for step in found:
                say(step.line())
            steps += found
    return LargeRuns(tars=tars, chunks=tars * chunks_a_tar, steps=steps)


def chunk_file() -> bytes:
    """A small file with the footer of a chunk."""
    rows = pa.table({"image_id": ["a"] * _ROWS, "shard": ["s"] * _ROWS, "index": range(_ROWS)})
    footer = json.dumps({"position": 0, "last": False, "errors": 0}).encode()
    sink = pa.BufferOutputStream()
    pq.write_table(rows.replace_schema_metadata({CHUNK_KEY: footer}), sink)
    return sink.getvalue().to_pybytes()


class _Watch:
    """Steps of this process, one after the other."""

    def __init__(self) -> None:
        self._held = resident_mb()
        self._clock, self._core = time.perf_counter(), time.process_time()
        self.steps: list[Step] = []

    def note(self, name: str, count: int) -> None:
        now, core = time.perf_counter(), time.process_time()
        self.steps.append(
            Step(
                name=name,
                count=count,
                seconds=round(now - self._clock, 2),
                core_seconds=round(core - self._core, 2),
                memory_mb=peak_mb() - self._held,
            )
        )
        self._clock, self._core = time.perf_counter(), time.process_time()


def _planning() -> list[Step]:
    watch = _Watch()
    shards = plan_source(TARS).shards
    watch.note("listing SOURCE", len(shards))
    data = plan_file(shards)
    watch.note(f"writing the plan, {len(data) / (1 << 20):.1f} MB", len(shards))
    _, changes = compared(planned_shards(data), shards)
    if changes:
        raise RuntimeError(f"the plan is not what was pinned: {changes.lines()[0]}")
    watch.note("reading the plan and comparing it", len(shards))
    return watch.steps


def _listing() -> list[Step]:
    watch = _Watch()
    folder = Folder(CHUNKS)
    names = folder.names()
    watch.note("resume: listing OUTPUT", len(names))
    some = names[:_FOOTERS]
    with ThreadPoolExecutor(FOOTERS_AT_ONCE) as pool:
        read = sum(footer is not None for footer in pool.map(partial(read_footer, folder), some))
    if read < len(some):
        raise RuntimeError(f"{len(some) - read} footers were not read")
    watch.note("resume: reading footers", read)
    return watch.steps


def _totals(tars: int, chunks_a_tar: int) -> list[Step]:
    watch = _Watch()
    written = WrittenChunks()
    for tar in range(tars):
        stem = shard_file_stem(tar_name(tar))
        for position in range(chunks_a_tar):
            rows = range(position * _ROWS, (position + 1) * _ROWS)
            footer = ChunkFooter(_ROWS, 0, position == chunks_a_tar - 1, rows, flags={"repeated": 1})
            written.add(stem, position, footer)
    watch.note("resume: what is remembered of footers", written.chunks)
    if unfinished(map(tar_name, range(tars)), written) or written.beyond_the_end():
        raise RuntimeError("a chunk was lost")
    watch.note("resume, summary: finding what is missing", written.chunks)
    return watch.steps


def _verifying() -> list[Step]:
    """What `maccap verify` holds of all files, before it reads one after the other."""
    watch = _Watch()
    positions = defaultdict[str, list[int]](list)
    for name in Folder(CHUNKS).names():
        if key := parse_file_name(name):
            positions[key[0]].append(key[1])
    watch.note("verify: files by shard", sum(map(len, positions.values())))
    return watch.steps
