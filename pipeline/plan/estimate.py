"""The arithmetic of a plan: files, hours and dollars from rows and rates."""

import math
from collections.abc import Iterable

from maccap.config import Config
from pipeline.execution.budget import Prices, Size

LARGE_MODEL_PER_MILLION = 100
"""Dollars for a million images at a large vision-language model's batch API, about: list prices differ by
times, so it gives a magnitude to compare with, and no offer.
"""

_FILES = 20_000  # of a table that is still quick to list and open
_ROWS = (512, 1024, 2048, 4096, 8192)  # per file that are worth choosing from


class Effort(Config):
    """What captioning takes: `images_per_second` of all machines, and dollars where a price is known."""

    images_per_second: float
    hours: float
    machines: int
    gpus: int
    gpu_hours: float
    cost: float | None
    cost_per_million: float | None


def effort(rows: float, rate: float, size: Size, prices: Prices, start_seconds: float = 0.0) -> Effort:
    """For `rows` at `rate` images per second of each GPU, or of each machine without GPUs. Raises UserError
    for a price of GPUs where there are none.
    """
    all_of_them = rate * (size.gpus or size.machines)
    hours = (rows / all_of_them + (start_seconds if rows else 0.0)) / 3600
    per_hour = prices.per_hour(size)
    return Effort(
        images_per_second=all_of_them,
        hours=hours,
        machines=size.machines,
        gpus=size.gpus,
        gpu_hours=hours * size.gpus,
        cost=None if per_hour is None else hours * per_hour,
        cost_per_million=None if per_hour is None else 1e6 / all_of_them / 3600 * per_hour,
    )


def files_of(
    rows_of_shards: Iterable[float], chunk_rows: int, bytes_per_image: float, chunk_bytes: int
) -> int:
    """Files of the table, of each shard at least one: a file ends at `chunk_rows`, or at `chunk_bytes`."""
    rows_per_file = chunk_rows
    if bytes_per_image:
        rows_per_file = max(1, min(chunk_rows, int(chunk_bytes // bytes_per_image)))
    return sum(max(1, math.ceil(rows / rows_per_file)) for rows in rows_of_shards)


class ChunkRows(Config):
    """The setting that suits, and why."""

    rows: int
    why: str


def suited_chunk_rows(rows: float, shards: int, bytes_per_image: float, chunk_bytes: int) -> ChunkRows:
    """As few rows per file as keep the files of the table few enough: each file is what a crash costs."""
    suited = next((size for size in _ROWS if rows / size <= _FILES), _ROWS[-1])
    most = rows / max(1, shards)
    if suited > 512 and most < suited:
        return ChunkRows(
            rows=suited,
            why=f"a file ends with its shard, and these have {most:,.0f} rows: no more would help",
        )
    if bytes_per_image * suited > chunk_bytes:
        return ChunkRows(
            rows=suited,
            why=f"files end before, at {chunk_bytes >> 20:,} MB of images (chunk_bytes)",
        )
    if suited == _ROWS[0]:
        return ChunkRows(rows=suited, why="few files, and a crash costs no more than this for each worker")
    return ChunkRows(rows=suited, why=f"fewer rows would make more than {_FILES:,} files")
