"""The Ray that a run works on: one that runs already, or a local one of its own."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import ray

from pipeline.errors import RunError
from pipeline.redact import describe
from pipeline.resources import Resources, check_fits, default_resources


class Cluster:
    """The Ray a run works on, joined or started when first needed: a refused or finished run starts none."""

    def __init__(self, chosen: Resources | None) -> None:
        self._chosen = chosen

    @cached_property
    def resources(self) -> Resources:
        """The configured requests, or ones fitted to the cluster. Raises UserError for more than it has."""
        started_here = connect_to_ray()
        total = ray.cluster_resources()
        cpus, gpus = total.get("CPU", 1.0), total.get("GPU", 0.0)
        resources = self._chosen or default_resources(cpus, gpus)
        if started_here:  # another cluster may grow
            check_fits(resources, cpus, gpus)
        return resources

    @property
    def has_gpu(self) -> bool:
        return any(stage.num_gpus for stage in self.resources.actor_stages().values())


def connect_to_ray() -> bool:
    """Join the cluster that RAY_ADDRESS names (as inside `ray job submit`), or start one in this machine,
    quietly.

    Returns whether it was started here.
    """
    if ray.is_initialized():
        return False
    address = os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray would run workers at nice 15, where any other job of the machine starves them
    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault(
        "RAY_BACKEND_LOG_LEVEL", "fatal"
    )  # else its C++ side warns of Ray Data's own doings
    local: dict[str, Any] = {} if address else {"include_dashboard": False}
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        with _stderr_muted():
            # left to itself Ray would also join a cluster whose address lies in /tmp, alive or not
            ray.init(address=address or "local", logging_level=logging.ERROR, log_to_driver=False, **local)
    except Exception as error:  # a node that comes up too slowly is a bare one
        where = f"the Ray cluster at {address} (RAY_ADDRESS)" if address else "a local Ray"
        raise RunError(f"cannot start on {where}: {describe(error)}") from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray puts one of its own there, which prints a stack
    return not address


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
