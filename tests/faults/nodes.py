"""A Ray cluster of several raylets on this machine, whose workers and nodes can be killed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Self

from ray.cluster_utils import Cluster

_NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 150 << 20}
_NOT_WORKING = ("ray::IDLE", "ray::DashboardAgent", "ray::RuntimeEnvAgent")


class Nodes:
    """A head, which a driver joins, and `others` more nodes."""

    def __init__(self, others: int = 2) -> None:
        # else workers starve beside whatever else runs here
        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112, as Ray spells it
        self._cluster = Cluster(initialize_head=True, head_node_args={**_NODE, "include_dashboard": False})
        self._others = [self._cluster.add_node(**_NODE) for _ in range(others)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cluster.shutdown()

    @property
    def environment(self) -> dict[str, str]:
        """What a driver needs to join: this process's Ray listens where the pipeline has it listen."""
        name = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
        listens = {name: os.environ[name]} if name in os.environ else {}
        return {**listens, "RAY_ADDRESS": str(self._cluster.address)}

    def kill_node(self, rng: Random) -> str:
        """Kill a raylet and with it all its workers, and add another node in its place."""
        place = rng.randrange(len(self._others))
        self._cluster.remove_node(self._others[place], allow_graceful=False)
        self._others[place] = self._added()
        return f"node {place}"

    def _added(self) -> Any:
        try:
            return self._cluster.add_node(**_NODE)
        except Exception:  # Ray gives a raylet 30 s to start, which a busy machine may not have for it
            return self._cluster.add_node(**_NODE)

    def kill_worker(self, rng: Random) -> str | None:
        """kill -9 a process that reads, decodes, computes or writes; None where none does."""
        working = sorted(self._workers())
        if not working:
            return None
        pid, title = rng.choice(working)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return None
        return title

    def _workers(self) -> Iterator[tuple[int, str]]:
        nodes = [self._cluster.head_node, *self._others]
        raylets = {node.all_processes["raylet"][0].process.pid for node in nodes}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                title = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # gone meanwhile
                continue
            if parent in raylets and title.startswith("ray::") and not title.startswith(_NOT_WORKING):
                yield int(process.name), title
