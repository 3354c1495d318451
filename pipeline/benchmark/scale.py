"""How the pipeline grows with the archive: images of a pixel by the million, a model that answers at once.

Everything but the model is what `maccap caption` runs: planning, reading, decoding, the Ray graph, the sink
and the results, and the look at the output with which a resume begins.
"""

import io
import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pyarrow as pa
from PIL import Image

from maccap.bundle import built_in_bundle_path
from maccap.config import Config
from maccap.image.preprocessing import PixelSpec
from maccap.runtime.process_memory import resident_mb
from pipeline.benchmark.level_memory import object_store_mb
from pipeline.chunk import spread, valid_rows
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.execution.cluster import Cluster
from pipeline.execution.ray_graph import caption_on_ray
from pipeline.prepare import open_bundle, run_facts
from pipeline.run.completed_chunks import unfinished
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import RunFolder
from pipeline.sources import plan_source
from pipeline.stages.decode import DecodeStage
from pipeline.stages.rerank import RerankStage
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime

_POINTS = 10


class Point(Config):
    """What was held when a part of the shards was done, in MB of 2^20 bytes."""

    shards: int
    rows_per_second: float  # since the point before
    driver_mb: int
    object_store_mb: float


class Scale(Config):
    """One run of `rows` in `shards`; seconds."""

    rows: int
    shards: int
    planning: float
    first_result: float  # from the start of the graph
    rows_per_second: float  # from the first result on
    points: list[Point]
    resume: float  # to find out that nothing is missing


def measure_scale(shards: int, rows_a_shard: int, work: Path, say: Callable[[str], None]) -> Scale:
    """Caption an archive of `shards` tars of `rows_a_shard` images each, in the folder `work`."""
    import ray

    source, output = work / "archive", str(work / "run")
    write_tiny_archive(source, shards, rows_a_shard)
    began = time.perf_counter()
    plan = plan_source(str(source))
    planning = time.perf_counter() - began
    config, bundle = CaptionJobConfig(), open_bundle(str(built_in_bundle_path()))
    facts = run_facts(str(source), plan, str(built_in_bundle_path()), bundle, config, "float32")
    folder, cluster = RunFolder(output), Cluster(None, (DecodeStage, ConstantCaption))
    folder.begin(facts)
    stages = CaptionStages(output, PixelSpec(8), facts, config, stages=(DecodeStage, ConstantCaption))
    resources = cluster.resources
    say(f"{shards} shards planned in {planning:.1f} s; Ray has {ray.cluster_resources().get('CPU'):g} CPUs")

    points: list[Point] = []
    rows = done = rows_before = 0
    began = last = time.perf_counter()
    first = 0.0
    for result in caption_on_ray(stages, [ShardWork(shard) for shard in plan.shards], resources):
        now = time.perf_counter()
        first = first or now
        rows, done = rows + result.rows, done + result.last
        if done * _POINTS >= shards * (len(points) + 1):
            rate = (rows - rows_before) / (now - last)
            points.append(
                Point(
                    shards=done,
                    rows_per_second=round(rate),
                    driver_mb=resident_mb(),
                    object_store_mb=round(object_store_mb(), 1),
                )
            )
            last, rows_before = now, rows
            say(points[-1].model_dump_json())
    seconds = time.perf_counter() - first
    ray.shutdown()

    resuming = time.perf_counter()
    missing = unfinished([shard.id for shard in plan_source(str(source)).shards], folder.written())
    if missing:
        raise RuntimeError(f"{len(missing)} shards are missing, for instance {missing[0]}")
    return Scale(
        rows=rows,
        shards=shards,
        planning=round(planning, 2),
        first_result=round(first - began, 2),
        rows_per_second=round(rows / seconds),
        points=points,
        resume=round(time.perf_counter() - resuming, 2),
    )


def write_tiny_archive(folder: Path, shards: int, rows: int) -> None:
    """One tar of `rows` images of a pixel each, under the names of `shards` tars."""
    folder.mkdir(parents=True)
    image = io.BytesIO()
    Image.new("RGB", (1, 1), (200, 30, 30)).save(image, "PNG")
    first = folder / "tiny-000000.tar"
    with tarfile.open(first, "w") as tar:
        for number in range(rows):
            info = tarfile.TarInfo(f"{number:06d}.png")
            info.size = image.tell()
            tar.addfile(info, io.BytesIO(image.getvalue()))
    for number in range(1, shards):
        os.link(first, folder / f"tiny-{number:06d}.tar")


class ConstantCaption(Stage):
    """In place of the stages that hold weights: an answer at once."""

    name = "rerank"
    title = "a constant caption"
    needs = ("pixels",)
    adds = RerankStage.adds
    keeps = RerankStage.keeps
    has_weights = True

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        return cls()

    def __call__(self, samples: pa.Table) -> pa.Table:
        rows, total = valid_rows(samples), samples.num_rows
        candidate = {"text": "a red dot", "clip_score": 1.0, "logprob": 0.0}
        values = {"caption": "a red dot", "clip_score": 1.0, "candidates": [candidate]}
        for column in self.adds:
            filled = spread([values[column.name]] * len(rows), rows, total)
            samples = samples.append_column(column.name, pa.array(filled, column.type))
        return samples
