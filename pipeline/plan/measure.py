"""What a sample tells: its images, how fast this machine captions them, and what the table's rows take."""

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from maccap.config import Config
from pipeline.chunk import Chunk
from pipeline.execution.caption_stages import CaptionStages
from pipeline.execution.in_process import BuiltSteps, built_steps, captioned
from pipeline.plan.this_machine import ThisMachine
from pipeline.stages.steps import Step
from pipeline.stages.write import file_content

_FIRST = 4  # images that warm up
_GROWTH = 4  # times as many in each round, while there is time
_RAY_SECONDS = 10.0  # to start Ray and its workers, about


class SampleImages(Config):
    """Of the images that were looked at; `width` and `height` are medians, None where none was decoded."""

    images: int
    bytes_per_image: float
    errors: int
    first_error: str | None
    width: int | None
    height: int | None


class SampleSpeed(Config):
    """`images_per_second` are those of this machine, from the seconds of `stages` per image: light ones share
    its cores, models take all of them or the GPUs. `file_bytes` are those of a file without rows.
    """

    images: int
    on: str
    start_seconds: float
    images_per_second: float
    stages: dict[str, float]
    row_bytes: float
    file_bytes: int


def look(stages: CaptionStages, sample: Chunk, machine: ThisMachine) -> SampleImages:
    """Decode the sample, without any model."""
    steps = stages.steps()
    light = next((n for n, step in enumerate(steps) if step.stage.has_weights), len(steps))
    sizes = _sizes(sample.samples)
    built = [(step, stages.build(step, machine.in_process)) for step in steps[:light]]
    try:
        return _looked(captioned(sample, built).samples, sizes)
    finally:
        _close(built)


def measure(
    stages: CaptionStages, sample: Chunk, machine: ThisMachine, local: bool, seconds: float
) -> tuple[SampleImages, SampleSpeed]:
    """All stages on more and more of the sample, for about so many seconds; the last round counts."""
    began = time.perf_counter()
    built = built_steps(stages, machine.in_process)
    start = time.perf_counter() - began + (0.0 if local else _RAY_SECONDS)
    rows, until = min(_FIRST, sample.samples.num_rows), time.perf_counter() + seconds
    try:
        _timed(_part(sample, rows), built)
        while True:
            began = time.perf_counter()
            done, spent = _timed(_part(sample, rows), built)
            growth = min(_GROWTH, sample.samples.num_rows / rows)
            if growth == 1 or growth * (time.perf_counter() - began) > until - time.perf_counter():
                break
            rows = round(growth * rows)
    finally:
        _close(built)
    per_image = {name: took / rows for name, took in spent.items()}
    whole, empty = (_file_bytes(stages, table) for table in (done.samples, done.samples.slice(0, 0)))
    return _looked(done.samples, _sizes(_part(sample, rows).samples)), SampleSpeed(
        images=rows,
        on=f"{machine.gpus} GPUs" if machine.has_gpu else f"{machine.cpus} CPU cores",
        start_seconds=start,
        images_per_second=1 / seconds_per_image(per_image, [step for step, _ in built], machine, local),
        stages=per_image,
        row_bytes=(whole - empty) / rows,
        file_bytes=empty,
    )


def seconds_per_image(
    spent: dict[str, float], steps: Sequence[Step], machine: ThisMachine, local: bool
) -> float:
    """Of this machine, from the seconds that each stage spends in one process: one after the other with
    `local`; else light stages, a core each, run beside the models, on cores of their own where these are on
    GPUs.
    """
    models = sum(spent[step.stage.name] for step in steps if step.stage.has_weights)
    light = sum(spent.values()) - models
    if local:
        return light + models
    light /= machine.cpus
    return max(light, models / machine.gpus) if machine.has_gpu else light + models


def _timed(chunk: Chunk, built: BuiltSteps) -> tuple[Chunk, dict[str, float]]:
    spent: dict[str, float] = {}
    for step, stage in built:
        began = time.perf_counter()
        chunk = captioned(chunk, [(step, stage)])
        spent[step.stage.name] = time.perf_counter() - began
    return chunk, spent


def _part(sample: Chunk, rows: int) -> Chunk:
    return sample.with_samples(sample.samples.slice(0, rows))


def _file_bytes(stages: CaptionStages, samples: pa.Table) -> int:
    facts = stages.facts
    return len(file_content(samples, facts.model_dump_json().encode(), 0, True, facts.table_schema()))


def _sizes(samples: pa.Table) -> list[int]:
    if "image" not in samples.column_names:
        return []
    return [size for size in pc.binary_length(samples["image"]).to_pylist() if size is not None]


def _looked(samples: pa.Table, sizes: list[int]) -> SampleImages:
    errors = [error for error in samples["error"].to_pylist() if error is not None]
    return SampleImages(
        images=samples.num_rows,
        bytes_per_image=sum(sizes) / max(1, len(sizes)),
        errors=len(errors),
        first_error=_one_line(errors[0]) if errors else None,
        width=_median(samples, "width"),
        height=_median(samples, "height"),
    )


def _median(samples: pa.Table, column: str) -> int | None:
    there: list[Any] = samples[column].drop_null().to_pylist() if column in samples.column_names else []
    return round(median(there)) if there else None


def _one_line(error: str) -> str:
    text = "".join(character if character.isprintable() else " " for character in error)
    return text if len(text) <= 200 else f"{text[:197]}..."


def _close(built: BuiltSteps) -> None:
    for _, stage in built:
        stage.close()
