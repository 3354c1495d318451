"""The Ray that a run works on: one that runs already, or a local one of its own."""

import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from maccap.runtime.own_packages import names_taken, own_packages_first
from pipeline.execution.budget import Size
from pipeline.execution.join_ray import check_joinable
from pipeline.execution.local_ray import cpus_allowed, prepare_local_ray, why_not_started
from pipeline.execution.own_processes import end_marked, kill_marked, marked
from pipeline.execution.room import nodes_alive
from pipeline.execution.watchdog import still_taking
from pipeline.stages.resources import Machine, Resources, check_fits
from pipeline.stages.steps import Stages, resources_for_nodes
from pipeline.storage.errors import RunError
from pipeline.storage.redact import describe

_SHUTDOWN_SECONDS = 15.0
_IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set where `ray job submit` runs the driver


class Cluster:
    """The Ray that a run's `stages` work on, joined or started when first needed: a refused or finished run
    starts none. `expected_gpus` are those that a joined cluster grows to, where it has fewer now.
    """

    def __init__(self, chosen: Resources | None, stages: Stages, expected_gpus: int = 0) -> None:
        self._chosen, self._stages, self._expected_gpus = chosen, stages, expected_gpus

    @cached_property
    def resources(self) -> Resources:
        """The configured requests, or ones fitted to the cluster. Raises UserError for more than it has."""
        started_here = connect_to_ray()
        nodes = nodes_alive()
        cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
        expected = [*nodes]
        if not started_here and self._expected_gpus > gpus:
            expected += [Machine(cpus=4, gpus=1)] * (self._expected_gpus - gpus)
        resources = self._chosen_for_run() or resources_for_nodes(self._stages, expected)
        if started_here:  # another cluster may grow
            check_fits(resources, cpus, gpus)
        return resources

    def _chosen_for_run(self) -> Resources | None:
        """Requests of stages that this run has not count for nothing."""
        if self._chosen is None:
            return None
        named = self._chosen.stages
        own = {stage.name: named[stage.name] for stage in self._stages if stage.name in named}
        return Resources(read=self._chosen.read, write=self._chosen.write, **own)

    @property
    def has_gpu(self) -> bool:
        return any(stage.num_gpus for stage in self.resources.stages.values())

    @property
    def size(self) -> Size:
        """The nodes that are alive now, and all their GPUs."""
        connect_to_ray()
        alive = sum(bool(node["Alive"]) for node in ray.nodes())
        return Size(alive, int(ray.cluster_resources().get("GPU", 0)))


def connect_to_ray() -> bool:
    """Join the cluster that RAY_ADDRESS names (as inside `ray job submit`), or start one in this machine,
    quietly. Raises UserError, RunError with the reason and the fix.

    Returns whether it was started here; then it ends with this process, at the latest.
    """
    if ray.is_initialized():
        return False
    address = os.environ.get("RAY_ADDRESS") or "local"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray would run workers at nice 15, where any other job of the machine starves them
    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault(
        "RAY_BACKEND_LOG_LEVEL", "fatal"
    )  # else its C++ side warns of Ray Data's own doings
    if address == "local":
        _start()
    else:
        _join(address)
    return address == "local"


def end_local_ray() -> bool:
    """Shut down the Ray that was started here, if any, and end those of its processes that outlive that.

    Returns whether Ray let go of this process too; where not, it would hang as it exits, or crash.
    """
    _hush_threads()
    abandoned = still_taking()  # Ray Data goes on in threads that nothing can end, and crashes without Ray
    if not _started.is_set():
        return not abandoned
    _started.clear()
    if abandoned:
        kill_marked()
        return False
    # in a thread, since it waits forever where Ray hangs
    shutdown = threading.Thread(target=ray.shutdown, daemon=True)
    shutdown.start()
    shutdown.join(_SHUTDOWN_SECONDS)
    end_marked()
    shutdown.join(1.0)
    return not shutdown.is_alive()


def abandon_local_ray() -> None:
    """Kill the processes of the Ray that was started here; nothing of Ray can be used afterwards."""
    kill_marked()


def _hush_threads() -> None:
    """Let what of Ray Data still asks a Ray which is no more end without a traceback each: the threads of its
    prefetching when a run is interrupted, and its iterators when one is stopped.
    """
    tell, tell_of_iterators = threading.excepthook, sys.unraisablehook

    def tell_others(ended: threading.ExceptHookArgs) -> None:
        if not issubclass(ended.exc_type, RayError):
            tell(ended)

    def tell_of_others(ended: "sys.UnraisableHookArgs") -> None:
        if not issubclass(ended.exc_type, RayError):
            tell_of_iterators(ended)

    threading.excepthook = tell_others
    sys.unraisablehook = tell_of_others


_started = threading.Event()
atexit.register(end_local_ray)  # runs before what Ray itself registered


def _start() -> None:
    prepare_local_ray()
    _started.set()
    try:
        # left to itself Ray would also join a cluster whose address lies in /tmp, alive or not
        with marked():
            _init("local", include_dashboard=False, num_cpus=cpus_allowed(), **_own_packages())
    except BaseException as error:
        kill_marked()  # of what has only begun to start nothing ends by itself
        _started.clear()
        if not isinstance(error, Exception):  # interrupted
            raise
        raise RunError(f"Ray did not start: {why_not_started(error)}") from None


def _join(address: str) -> None:
    in_a_job = _IN_A_JOB in os.environ  # of a cluster that lives, with an environment of the job's own
    if not in_a_job:
        check_joinable(address)
    try:
        _init(address, **({} if in_a_job else _own_packages()))
    except Exception as error:
        raise RunError(f"cannot join the Ray cluster at {address} (RAY_ADDRESS): {describe(error)}") from None


def _own_packages() -> dict[str, Any]:
    """The option for workers that would find other packages of this project's names, since Ray puts the
    current folder on their path. With it, each takes a fifth of a second longer to start.
    """
    if not names_taken([str(Path.cwd()), *sys.path]):
        return {}
    return {"runtime_env": {"worker_process_setup_hook": own_packages_first()}}


def _init(address: str, **options: Any) -> None:
    """`ray.init` without its greetings and its handling of SIGTERM, which prints a stack."""
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        with _stderr_muted():
            ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **options)
    except SystemExit:  # its answer to SIGTERM
        raise KeyboardInterrupt from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)


@contextmanager
def _stderr_muted() -> Iterator[None]:
    """Ray's C++ side greets on stderr as it starts, and no setting of its own stops it."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
