"""How a run grows with the cluster, on one machine: stages that wait instead of computing.

The Ray graph, the sink and the driver are those of `maccap caption`. A node's GPUs are one actor of the
slowest stage, which waits for as long as they together take for a chunk; a chunk has one small image in place
of 512. What the driver and Ray compute for each chunk then tells how many of them one driver can serve.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil
import pyarrow as pa

from maccap.bundle import built_in_bundle_path
from maccap.config import Config
from maccap.image.preprocessing import PixelSpec
from pipeline.benchmark.processes import processes_by_kind
from pipeline.benchmark.scale import ConstantCaption, write_tiny_archive
from pipeline.chunk import Column
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.execution.ray_graph import caption_on_ray
from pipeline.prepare import open_bundle, run_facts
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import RunFolder
from pipeline.sources import plan_source
from pipeline.stages.resources import Resources, StageResources, TaskResources
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime

ROWS = 512
"""Images that a chunk stands for."""

_CHUNKS = 12  # of each node
_SETTLED = 0.2  # of the chunks are done before the rate is measured, and as many not yet


class NodeRun(Config):
    """One run on so many simulated nodes. Milliseconds are of a core, by kind of process."""

    nodes: int
    chunks: int
    chunks_per_second: float
    of_linear: float | None
    milliseconds_per_chunk: dict[str, float]

    def line(self) -> str:
        """For a person."""
        costs = ", ".join(f"{kind} {ms:.0f}" for kind, ms in sorted(self.milliseconds_per_chunk.items()))
        linear = "as fast as it goes" if self.of_linear is None else f"{self.of_linear:.0%} of linear"
        rate = self.chunks_per_second
        return (
            f"{self.nodes:3} nodes  {rate:6.2f} chunks/s, {rate * ROWS:7,.0f} images/s, {linear}; "
            f"ms of a core for a chunk: {costs}"
        )


class SimulatedNodes(Config):
    """The runs, and what one driver can serve if it has a core: the last run's cost of a chunk."""

    chunk_seconds: float
    runs: list[NodeRun]
    driver_limit: int  # images per second


def measure_nodes(
    nodes: Sequence[int], chunk_seconds: float, work: Path, say: Callable[[str], object]
) -> SimulatedNodes:
    """Runs on so many nodes, of which each takes `chunk_seconds` for a chunk; and one that never waits, all
    on a Ray that is started for them.
    """
    import ray

    os.environ |= {"RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    gpus = 8 * max(nodes)
    ray.init("local", num_cpus=_CPUS, num_gpus=gpus, include_dashboard=False, log_to_driver=False)
    runs: list[NodeRun] = []
    try:
        for number, (count, seconds) in enumerate([*((n, chunk_seconds) for n in nodes), (1, 0.0)]):
            runs.append(_run(count, seconds, work / str(number)))
            say(runs[-1].line())
    finally:
        ray.shutdown()
    limit = round(1000 / runs[-1].milliseconds_per_chunk["driver"] * ROWS)
    say(f"a driver that has a core to itself serves up to {limit:,} images/s")
    return SimulatedNodes(chunk_seconds=chunk_seconds, runs=runs, driver_limit=limit)


_CPUS = 4  # tasks that read, decode and write at one time, whatever the nodes


def _run(nodes: int, seconds: float, work: Path) -> NodeRun:
    chunks = _CHUNKS * nodes if seconds else 20 * _CHUNKS
    source, output = work / "archive", str(work / "run")
    shards = 4
    write_tiny_archive(source, shards, chunks // shards)
    plan = plan_source(str(source))
    kinds = (_waiting_stage("features", "image", 0.0), _waiting_stage("candidates", "features", seconds))
    stages = (*kinds, LastStage)
    config, bundle = CaptionJobConfig(chunk_rows=1, flags=False), open_bundle(str(built_in_bundle_path()))
    facts = run_facts(str(source), plan, str(built_in_bundle_path()), bundle, config, "float32")
    RunFolder(output).begin(facts)
    captions = CaptionStages(output, PixelSpec(8), facts, config, stages=stages)
    light = StageResources(num_cpus=0.01, num_gpus=1)
    slowest = StageResources(num_cpus=0.01, num_gpus=6, actors=nodes)
    resources = Resources(
        read=TaskResources(num_cpus=1),
        write=TaskResources(num_cpus=0.5),
        **{"features": light, "candidates": slowest, "rerank": light},
    )
    settled = [round(_SETTLED * chunks), round((1 - _SETTLED) * chunks)]
    marks: list[tuple[float, Counter[str]]] = []
    done = 0
    for _ in caption_on_ray(captions, [ShardWork(shard) for shard in plan.shards], resources):
        done += 1
        if done in settled:
            marks.append((time.perf_counter(), _processor_seconds()))
    (began, before), (ended, after) = marks
    measured = settled[1] - settled[0]
    rate = measured / (ended - began)
    return NodeRun(
        nodes=nodes,
        chunks=done,
        chunks_per_second=round(rate, 2),
        of_linear=round(rate * seconds / nodes, 3) if seconds else None,
        milliseconds_per_chunk={
            kind: round(1000 * max(0.0, after[kind] - before[kind]) / measured, 1) for kind in after
        },
    )


def _waiting_stage(of: str, reads: str, seconds: float) -> type[Stage]:
    """A stage that waits for so long at each chunk. It travels to its workers by value."""

    class Waiting(Stage):
        name = of
        title = f"{of}, simulated"
        needs = (reads,)
        adds = (Column("features" if of == "features" else "drawn", pa.int8(), "nothing"),)
        has_weights = True

        @classmethod
        def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
            return cls()

        def __call__(self, samples: pa.Table) -> pa.Table:
            time.sleep(seconds)
            return samples.append_column(self.adds[0].name, pa.nulls(samples.num_rows, pa.int8()))

    return Waiting


class LastStage(ConstantCaption):
    """What the table needs, at once."""

    needs = ("drawn",)


def _processor_seconds() -> Counter[str]:
    """What the processes of this run have computed so far, by kind."""
    seconds: Counter[str] = Counter()
    for kind, process in processes_by_kind():
        with suppress(psutil.Error):  # it has ended
            times = process.cpu_times()
            seconds[kind] += times.user + times.system
    return seconds
