"""How Ray Data runs the operators of a run: one chunk at a time, in short tasks or in a pool of actors."""

import logging
import os
import signal
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from ray.data import ActorPoolStrategy, DataContext, TaskPoolStrategy

from pipeline.stages.resources import StageResources, TaskResources
from pipeline.stages.torch_runtime import is_device_lost


def configure_ray_data() -> None:
    """Let chunks leave tasks one by one, and keep Ray Data's own bars and tracebacks off the console."""
    context = DataContext.get_current()
    # a block is full as soon as it holds a chunk: chunks leave a reading task one by one, not at its end
    context.target_max_block_size = 1
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.raise_original_map_exception = True  # Ray's wrapper loses its cause on the way to the driver
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL + 1)  # what it prints of errors, RunError says


def short_tasks(resources: TaskResources) -> dict[str, Any]:
    """Arguments of `map_batches` for an operator without weights."""
    return {
        **_ONE_CHUNK,
        "compute": TaskPoolStrategy(),
        "num_cpus": resources.num_cpus,
    }


def actor_pool(resources: StageResources) -> dict[str, Any]:
    """Arguments of `map_batches` for a stage in actors: of a fixed number, or one that Ray Data fits to the
    work between its bounds.
    """
    return {
        **_ONE_CHUNK,
        "compute": ActorPoolStrategy(min_size=resources.least_actors, max_size=resources.actors),
        "num_cpus": resources.num_cpus,
        "num_gpus": resources.num_gpus,
    }


_ONE_CHUNK: dict[str, Any] = {"batch_size": 1, "batch_format": "pyarrow", "zero_copy_batch": True}


class StageActor:
    """What `build` returns, on Ray rows.

    A stage that cannot be built fails with its first chunk: of an actor that dies as it starts, Ray buries
    the cause, and prints tracebacks on stdout.
    """

    def __init__(self, build: Callable[[], Callable[[pa.Table], pa.Table]]) -> None:
        self.stage: Callable[[pa.Table], pa.Table] | Exception
        # before torch is imported: a thread that waits for its fellows by spinning takes a core from other
        # stages. On two cores, at real sizes, this made a run a third faster.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        try:
            self.stage = build()
        except Exception as error:
            self.stage = error

    def __call__(self, rows: pa.Table) -> pa.Table:
        if isinstance(self.stage, Exception):
            raise self.stage
        try:
            return self.stage(rows)
        except RuntimeError as error:
            if is_device_lost(error):  # Ray starts another actor, and gives it the chunk
                os.kill(os.getpid(), signal.SIGKILL)
            raise
