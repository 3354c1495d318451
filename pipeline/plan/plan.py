"""`maccap plan`: what an archive holds, and what captioning it would take; nothing of it is written."""

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from rich.filesize import decimal

from maccap.config import Config
from pipeline.execution.budget import Prices, Size
from pipeline.plan.counting import count_rows
from pipeline.plan.estimate import (
    LARGE_MODEL_PER_MILLION,
    ChunkRows,
    Effort,
    effort,
    files_of,
    suited_chunk_rows,
)
from pipeline.plan.left import Left, what_is_left
from pipeline.plan.measure import SampleImages, SampleSpeed, look, measure
from pipeline.plan.sampling import sample_images
from pipeline.plan.this_machine import ThisMachine
from pipeline.prepare import PreparedRun, prepare_run
from pipeline.run.config import CaptionJobConfig
from pipeline.run.progress import clock
from pipeline.run.question_store import prepare_store
from pipeline.run.run_folder import RunFolder
from pipeline.storage.errors import UserError
from pipeline.storage.look_up import MISSING
from pipeline.storage.redact import redacted

_COUNT_SECONDS = 20.0
_MEASURE_SECONDS = 45.0
_SAMPLE = 512  # images, at most


@dataclass(frozen=True)
class Means:
    """With what an archive would be captioned; what is None is as on this machine, and its rate measured.
    `images_per_second` are of each GPU, or of each machine without GPUs.
    """

    images_per_second: float | None = None
    gpus: int | None = None
    machines: int = 1
    prices: Prices = field(default_factory=Prices)
    local: bool = False


class ArchivePlan(Config):
    """`rows` and `files` are of all of SOURCE, `left` of them to do. What is not `exact` is an estimate."""

    source: str
    taken_for: str
    left_out: dict[str, int]
    missing_shards: int
    shards: int
    bytes: int | None
    rows: int
    rows_exact: bool
    files: int
    files_exact: bool
    rows_left: int
    files_left: int
    sample: SampleImages | None
    measured: SampleSpeed | None
    effort: Effort | None
    output_bytes: int | None
    chunk_rows: int
    suited_chunk_rows: ChunkRows
    large_model_per_million: int = LARGE_MODEL_PER_MILLION

    def lines(self) -> Iterator[tuple[str, str]]:
        """A name and what it is, for a person."""
        yield "SOURCE", f"{self.source}: {self.taken_for}"
        if self.left_out:
            yield "left out", ", ".join(f"{kind} ({count:,})" for kind, count in self.left_out.items())
        if self.missing_shards:
            yield "not there", f"{_many(self.missing_shards, 'shard')}, of each an error row"
        yield "rows", _counted(self.rows, self.rows_exact, f" in {_many(self.shards, 'shard')}")
        yield "bytes", "not known before they are read" if self.bytes is None else decimal(self.bytes)
        yield from _of_sample(self.sample)
        files = f" of up to {self.chunk_rows:,} rows"
        yield "files to write", _counted(self.files, self.files_exact, files)
        if self.output_bytes is not None:
            yield "output", f"about {decimal(self.output_bytes)}"
        if (self.rows_left, self.files_left) != (self.rows, self.files):
            yield (
                "left to do",
                f"{self.rows_left:,} rows in {_many(self.files_left, 'file')}; the rest is written",
            )
        yield "chunk_rows", f"{self.suited_chunk_rows.rows:,} suits: {self.suited_chunk_rows.why}"
        yield from _of_measured(self.measured)
        yield from self._of_effort()

    def _of_effort(self) -> Iterator[tuple[str, str]]:
        if self.effort is None:
            yield "time", "not known: there is no image to measure on"
            return
        e = self.effort
        yield "speed", f"{e.images_per_second:,.2f} images/s on {_size(e)}"
        yield "time", f"{clock(e.hours * 3600)} ({e.hours:,.2f} hours)"
        if e.gpus:
            yield "GPU hours", f"{e.gpu_hours:,.2f}"
        if e.cost is not None and e.cost_per_million is not None:
            yield "cost", f"${e.cost:,.2f}, which is ${e.cost_per_million:,.2f} per million images"
        yield (
            "to compare",
            f"a large vision-language model's batch API: about ${self.large_model_per_million:,} per million "
            "images (list prices differ)",
        )


def plan_archive(
    source: str,
    output: str | None,
    model: str,
    config: CaptionJobConfig,
    means: Means,
    say: Callable[[str], object] = lambda line: None,
) -> ArchivePlan:
    """Raises UserError for what a run would be refused for, and where this machine cannot tell a rate."""
    machine = ThisMachine.look()
    size = Size(means.machines, machine.gpus * means.machines if means.gpus is None else means.gpus)
    _check(means, machine, size)
    with tempfile.TemporaryDirectory(prefix="maccap-plan-") as scratch:
        run = prepare_run(source, output or f"{scratch}/run", model, config, lambda config: machine)
        left = what_is_left(run)
        say(f"counting {len(left.shards):,} shards, for {_COUNT_SECONDS:.0f} s at most")
        counts = count_rows(left.shards, config.max_bytes, _COUNT_SECONDS)
        found, measured = _sampled(run, left, means, machine, scratch, say)
        rows_of = [counts.of(shard) for shard in left.shards]
    exact = counts.is_exact(left.shards)
    rows = round(sum(rows_of))
    if not exact and run.plan.images is not None and config.limit is None:
        exact, rows = True, run.plan.images
    per_image = found.bytes_per_image if found else 0.0
    files = files_of(rows_of, config.chunk_rows, per_image, config.chunk_bytes)
    rows_left = max(0, rows - left.rows_written)
    rate = means.images_per_second
    if rate is None and measured is not None:
        rate = measured.images_per_second / (machine.gpus or 1)
    start = measured.start_seconds if measured else 0.0
    return ArchivePlan(
        source=redacted(run.source),
        taken_for=run.plan.taken_for,
        left_out=dict(sorted(run.plan.left_out.items())),
        missing_shards=sum(shard.state == MISSING for shard in left.shards),
        shards=len(left.shards),
        bytes=sum(shard.size for shard in left.shards) or (round(per_image * rows) or None),
        rows=rows,
        rows_exact=exact,
        files=files,
        files_exact=counts.is_exact(left.shards) and per_image * config.chunk_rows * 2 < config.chunk_bytes,
        rows_left=rows_left,
        files_left=max(0, files - left.files_written),
        sample=found,
        measured=measured,
        effort=effort(rows_left, rate, size, means.prices, start) if rate else None,
        output_bytes=round(rows * measured.row_bytes + files * measured.file_bytes) if measured else None,
        chunk_rows=config.chunk_rows,
        suited_chunk_rows=suited_chunk_rows(rows, len(left.shards), per_image, config.chunk_bytes),
    )


def _check(means: Means, machine: ThisMachine, size: Size) -> None:
    means.prices.per_hour(size)  # one of GPUs that are not there is refused before anything is counted
    if means.images_per_second is None and size.gpus and not machine.has_gpu:
        raise UserError(
            "--gpus: this machine has no GPU to measure on. Give --images-per-second too, of one GPU, as "
            "`maccap benchmark` or a run of --limit 1000 shows it there."
        )


def _sampled(
    run: PreparedRun[ThisMachine],
    left: Left,
    means: Means,
    machine: ThisMachine,
    scratch: str,
    say: Callable[[str], object],
) -> tuple[SampleImages | None, SampleSpeed | None]:
    """What a sample of images shows; with a given rate no model is loaded."""
    sample = sample_images(run.stages, left.shards, min(_SAMPLE, max(16, run.config.chunk_rows)))
    if sample is None:
        return None, None
    if means.images_per_second is not None:
        return look(run.stages, sample, machine), None
    prepare_store(RunFolder(scratch), run.config, run.found)
    if (busy := os.getloadavg()[0]) > machine.cpus / 2:
        say(f"other processes keep {busy:.1f} cores busy: this machine is faster than it will seem")
    say(f"captioning up to {sample.samples.num_rows:,} images, for about {_MEASURE_SECONDS:.0f} s at most")
    stages = replace(run.stages, output=scratch)
    return measure(stages, sample, machine, means.local, _MEASURE_SECONDS)


def _of_sample(sample: SampleImages | None) -> Iterator[tuple[str, str]]:
    if sample is None:
        return
    sizes = "" if sample.width is None else f", median {sample.width:,} x {sample.height:,} pixels"
    yield "images", f"{decimal(round(sample.bytes_per_image))} each{sizes} (of {sample.images:,} looked at)"
    decoded = 1 - sample.errors / sample.images
    yield "readable", f"{decoded:.1%}" + (f"; one error: {sample.first_error}" if sample.errors else "")


def _of_measured(measured: SampleSpeed | None) -> Iterator[tuple[str, str]]:
    if measured is not None:
        stages = ", ".join(f"{name} {seconds * 1000:.1f}" for name, seconds in measured.stages.items())
        yield "measured", f"{measured.images:,} images on {measured.on}; ms per image: {stages}"


def _counted(count: int, exact: bool, of: str) -> str:
    return f"{'' if exact else 'about '}{count:,}{of}"


def _size(effort: Effort) -> str:
    gpus = f" with {_many(effort.gpus, 'GPU')}" if effort.gpus else ""
    return f"{_many(effort.machines, 'machine')}{gpus}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"
