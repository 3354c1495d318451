"""The loop in the workers of Ray Train: one or many, on CPUs (gloo) or GPUs (nccl).

Where a worker dies, Ray Train starts the group again, and the loop resumes from its last checkpoint.
Checkpoints and figures are the loop's own business; what passes through Ray are the records of steps, by way
of a small actor, and back the wish to stop.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import fsspec
import pyarrow.fs
import ray
import ray.train
from fsspec.implementations.local import LocalFileSystem
from ray.exceptions import RayError
from ray.train.torch import TorchConfig, TorchTrainer

from pipeline.execution.cluster import connect_to_ray
from pipeline.stages.resources import StageResources
from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.storage.errors import RunError, UserError
from pipeline.storage.folder import Folder
from pipeline.storage.redact import describe
from pipeline.train.config import TrainJobConfig, WorkerResources
from pipeline.train.encode import encode_on_ray
from pipeline.train.feature_cache import FeatureCache
from pipeline.train.history import StepRecord
from pipeline.train.loop import train
from pipeline.train.towers import Towers
from pipeline.train.work import TrainingWork

_POLL_SECONDS = 0.3
_RAY_FOLDER = ".ray"  # of Ray Train's own, in OUTPUT


class TrainOnRay:
    """The Ray a run works on, joined or started when first needed, and the workers it is to have there
    (`pipeline.train.run.TrainMachine`).
    """

    def __init__(self, config: TrainJobConfig) -> None:
        self._config = config

    @cached_property
    def workers(self) -> int:
        return self._config.workers or max(1, int(self._total("GPU")) if self._wants_gpu else 1)

    @cached_property
    def worker(self) -> WorkerResources:
        """What each worker asks for, as configured or fitted. Raises UserError for more than there is."""
        node_cpus = max((node["Resources"].get("CPU", 0.0) for node in self._nodes), default=1.0)
        worker = self._config.worker
        if worker is None:
            fitted = min(node_cpus, self._total("CPU") / self.workers)
            gpus = 1.0 if self._wants_gpu else 0.0
            worker = WorkerResources(
                num_cpus=0.8 * fitted,
                num_gpus=gpus,
                torch_threads=self._config.threads or max(1, int(fitted)),
            )
        cpus, gpus = worker.num_cpus * self.workers, worker.num_gpus * self.workers
        if self._started_here and (cpus > self._total("CPU") + 1e-6 or gpus > self._total("GPU") + 1e-6):
            raise UserError(
                f"{self.workers} workers ask for {cpus:g} CPUs and {gpus:g} GPUs, and here are "
                f"{self._total('CPU'):g} and {self._total('GPU'):g}. "
                "Lower `workers`, or num_cpus and num_gpus under `worker`."
            )
        return worker

    @property
    def has_gpu(self) -> bool:
        return self.worker.num_gpus > 0

    def encode(self, towers: Towers, cache: FeatureCache, texts: Sequence[str]) -> Iterator[int]:
        """By as many CLIP actors, each with what a training worker gets."""
        return encode_on_ray(
            towers, cache, texts, StageResources(**self.worker.model_dump(), actors=self.workers)
        )

    def train(
        self, work: TrainingWork, observe: Callable[[StepRecord], object], stop: Callable[[], bool]
    ) -> bool:
        """As `pipeline.train.loop.train`. Lost workers are replaced. Raises UserError, RunError."""
        return _train(work, self, self._config.worker_failures, observe, stop)

    @cached_property
    def _started_here(self) -> bool:
        return connect_to_ray()

    @property
    def _nodes(self) -> list[dict[str, Any]]:
        _ = self._started_here
        return [node for node in ray.nodes() if node["Alive"]]

    @property
    def _wants_gpu(self) -> bool:
        there = self._total("GPU") >= 1
        if self._config.device == "cuda" and not there:
            raise UserError("device: cuda, but Ray sees no GPU; leave it out to train on CPUs")
        return there and self._config.device != "cpu"

    def _total(self, resource: str) -> float:
        return sum(node["Resources"].get(resource, 0.0) for node in self._nodes)


def _train(
    work: TrainingWork,
    cluster: TrainOnRay,
    failures: int,
    observe: Callable[[StepRecord], object],
    stop: Callable[[], bool],
) -> bool:
    # on a busy machine Ray's minute is short
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "600")
    logging.getLogger("ray.train").setLevel(logging.CRITICAL + 1)  # what it prints of errors, RunError says
    relay: Any = ray.remote(num_cpus=0)(_Relay).remote()
    trainer = _trainer(work, cluster, failures, relay)
    # not in this thread, where Ray would take Ctrl-C for itself and end workers without a checkpoint
    fit = _InThread(trainer.fit)
    try:
        while not fit.done.wait(_POLL_SECONDS):
            _pass_on(ray.get(relay.take.remote(stop())), observe)
        _pass_on(ray.get(relay.take.remote(False)), observe)
        outcome = ray.get(relay.outcome.remote())
    except RayError as error:
        raise RunError(f"Ray failed: {describe(error)}") from error
    Folder(f"{work.output}/{_RAY_FOLDER}").remove_all()
    if isinstance(outcome, str):
        raise UserError(outcome)
    if fit.error is not None:
        raise RunError(f"training failed: {_cause(fit.error)}. The same command resumes.") from fit.error
    return bool(outcome)


def _trainer(work: TrainingWork, cluster: TrainOnRay, failures: int, relay: Any) -> TorchTrainer:
    worker = cluster.worker
    filesystem, path = fsspec.core.url_to_fs(work.output)
    runtime = TorchRuntime(
        device="cuda" if worker.num_gpus else "cpu",
        precision=work.facts.precision,
        threads=worker.torch_threads,
    )
    return TorchTrainer(
        _train_worker,
        train_loop_config={"work": work, "runtime": runtime, "relay": relay},
        # nccl wants a GPU for each worker
        torch_config=TorchConfig(backend="nccl" if worker.num_gpus >= 1 else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=cluster.workers,
            use_gpu=worker.num_gpus > 0,
            resources_per_worker={"CPU": worker.num_cpus}
            | ({"GPU": worker.num_gpus} if worker.num_gpus else {}),
        ),
        run_config=ray.train.RunConfig(
            name=_RAY_FOLDER,
            storage_path=path,
            storage_filesystem=pyarrow.fs.LocalFileSystem()
            if isinstance(filesystem, LocalFileSystem)
            else pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(filesystem)),
            failure_config=ray.train.FailureConfig(max_failures=failures),
        ),
    )


def _train_worker(config: dict[str, Any]) -> None:
    """In every worker. A mistake of the user's is the same in all of them, and no reason to try again."""
    context = ray.train.get_context()
    report = _Reporter(config["relay"])
    try:
        done = train(
            config["work"], config["runtime"], report, context.get_world_rank(), context.get_world_size()
        )
    except UserError as error:
        report.end(str(error))
        return
    if context.get_world_rank() == 0:
        report.end(done)


class _Relay:
    """Between the first worker and the driver. The outcome: whether the last step was taken, or what is
    wrong with what was asked.
    """

    def __init__(self) -> None:
        self._records: list[StepRecord] = []
        self._stop = False
        self._outcome: bool | str = False

    def put(self, records: Sequence[StepRecord]) -> bool:
        """From the worker; whether to stop."""
        self._records += records
        return self._stop

    def take(self, stop: bool) -> list[StepRecord]:
        """By the driver, with its wish."""
        self._stop = self._stop or stop
        records, self._records = self._records, []
        return records

    def end(self, outcome: bool | str) -> None:
        self._outcome = outcome

    def outcome(self) -> bool | str:
        return self._outcome


class _Reporter:
    """Sends records to the driver now and then, without waiting for it."""

    def __init__(self, relay: Any) -> None:
        self._relay = relay
        self._new: list[StepRecord] = []
        self._reply: Any = None
        self._sent = 0.0
        self._stop = False

    def __call__(self, record: StepRecord) -> bool:
        self._new.append(record)
        if self._reply is not None and ray.wait([self._reply], timeout=0)[0]:
            self._stop = ray.get(self._reply)
            self._reply = None
        if self._reply is None and time.monotonic() - self._sent > _POLL_SECONDS:
            self._reply = self._relay.put.remote(self._new)
            self._new, self._sent = [], time.monotonic()
        return self._stop

    def end(self, outcome: bool | str) -> None:
        ray.get([self._relay.put.remote(self._new), self._relay.end.remote(outcome)])


class _InThread:
    """A call that runs beside this thread."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.done = threading.Event()
        self.error: Exception | None = None
        self._call = call
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._call()
        except Exception as error:
            self.error = error
        finally:
            self.done.set()


def _pass_on(records: Sequence[StepRecord], observe: Callable[[StepRecord], object]) -> None:
    for record in records:
        observe(record)


def _cause(error: Exception) -> str:
    failures = getattr(error, "worker_failures", None)
    first = next(iter(failures.values())) if failures else error
    lines = [line for line in str(first).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(first).__name__
