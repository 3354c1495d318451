"""What a benchmark found: one JSON document, and tables to read."""

from collections.abc import Iterator

from rich.table import Table

from maccap import __version__
from maccap.config import Config
from pipeline.benchmark.end_to_end import RayResult, WayResult
from pipeline.benchmark.machine import MachineLimits
from pipeline.benchmark.stages_alone import Alone
from pipeline.benchmark.through_ray import RayRun
from pipeline.benchmark.ways import OURS, SHARED


class Subject(Config):
    """What was captioned, and how."""

    model: str
    candidates: int
    new_tokens: int
    images: int
    image_size: int
    precision: str
    version: str = __version__


class Report(Config):
    """The whole benchmark."""

    measured: Subject
    alone: Alone
    ways: list[WayResult]
    ray: RayResult

    def of_matrix_rate(self, way: WayResult) -> float | None:
        """The fraction of the matrix rate that one of our ways reaches, by the arithmetic it needs."""
        gflop = {OURS: self.alone.gflop, SHARED: self.alone.gflop_shared}.get(way.way)
        return None if gflop is None else way.images_per_second * gflop / self.alone.machine.gflops

    def tables(self) -> Iterator[Table]:
        m = self.measured
        yield _machine_and_stages(self.alone)
        title = f"{m.model}, {m.candidates} candidates, {m.new_tokens} tokens, {m.images} images"
        columns = ("images/s", "tokens/s", "x beams", "x sampling", "of matrix rate", "peak MB")
        ways = _table(title, "way", *columns)
        for way in self.ways:
            fraction = _percent(self.of_matrix_rate(way))
            gpu = "" if way.peak.gpu_mb is None else f" + {way.peak.gpu_mb:,} GPU"
            memory = f"{way.peak.memory_mb:,}{gpu}"
            figures = (way.images_per_second, way.tokens_per_second, way.times_beams, way.times_sampling)
            ways.add_row(way.way, *map(_number, figures), fraction, memory)
        ray = self.ray
        ways.add_row(
            f"ours through Ray: {_percent(ray.of_bare) or '?'} of the bare {ray.bare_images_per_second:.2f}",
            *(_number(ray.images_per_second), "", "", "", "", f"{ray.memory_mb:,} in all"),
        )
        yield ways


class Growth(Config):
    """Runs of `maccap caption` on more and more images."""

    measured: Subject
    runs: list[RayRun]

    def tables(self) -> Iterator[Table]:
        columns = ("images", "seconds", "images/s after start", "peak MB")
        table = _table(f"{self.measured.model} on Ray", *columns)
        for run in self.runs:
            seconds, rate = _number(run.seconds), _number(run.after_start)
            table.add_row(f"{run.images:,}", seconds, rate, f"{run.memory_mb:,}")
        yield table


def _machine_and_stages(alone: Alone) -> Table:
    m: MachineLimits = alone.machine
    limits = f"{m.gflops:,.0f} GFLOP/s in {m.dtype}, {m.gigabytes:,.0f} GB/s"
    table = _table(
        f"stages alone on {m.device}, {m.cores} threads: at best {limits}",
        *("stage", "ms/image", "of matrix rate", "of bandwidth", "kB passed on"),
    )
    for stage in alone.stages:
        fractions = (_percent(stage.of_matrix_rate), _percent(stage.of_bandwidth))
        passed_on = "" if stage.bytes_passed_on is None else f"{stage.bytes_passed_on / 1e3:,.1f}"
        table.add_row(stage.stage, f"{stage.milliseconds:,.2f}", *fractions, passed_on)
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{fraction:.0%}"
