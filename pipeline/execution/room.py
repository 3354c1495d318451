"""What the nodes of a cluster have: a request has to fit one of them, not their sum."""

from typing import NamedTuple, Self

import ray

from pipeline.stages.resources import Machine


class Room(NamedTuple):
    """The nodes of a cluster, the largest first, and what is free on all of them together."""

    nodes: tuple[Machine, ...]
    free_cpus: float
    free_gpus: float

    @classmethod
    def now(cls) -> Self:
        """Of the cluster that this process has joined."""
        free = ray.available_resources()
        return cls(nodes_alive(), free.get("CPU", 0.0), free.get("GPU", 0.0))

    def has(self, cpus: float, gpus: float) -> bool:
        """Whether so much is free, if all of it lies together on a node that is large enough."""
        fits = any(node.cpus >= cpus and node.gpus >= gpus for node in self.nodes)
        return fits and self.free_cpus >= cpus and self.free_gpus >= gpus


def nodes_alive() -> tuple[Machine, ...]:
    """CPUs and GPUs of each node of the cluster that this process has joined, the largest first."""
    there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    nodes = [Machine(node.get("CPU", 0.0), int(node.get("GPU", 0.0))) for node in there]
    return tuple(sorted(nodes, key=lambda node: (node.gpus, node.cpus), reverse=True))
