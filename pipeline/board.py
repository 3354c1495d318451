"""What each worker of a run is doing, told to a small Ray actor, so that a run that stands still can say why.

Ray's own view of this needs its dashboard; this costs two messages a chunk and stage.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError

_ASK_SECONDS = 10.0
_LOADING = "loading its model"


class _Board:
    """Runs as an actor without a share of a CPU."""

    def __init__(self) -> None:
        self._doing: dict[str, tuple[str, str, float]] = {}  # worker: stage, chunk, since

    def begin(self, worker: str, stage: str, what: str) -> None:
        self._doing[worker] = (stage, what, time.monotonic())

    def end(self, worker: str) -> None:
        self._doing.pop(worker, None)

    def report(self) -> list[str]:
        now = time.monotonic()
        return [
            f"{stage} has been at {what} for {now - since:.0f} s (worker {worker})"
            for worker, (stage, what, since) in sorted(self._doing.items(), key=lambda item: item[1][2])
        ]


class Board:
    """A handle that travels to the workers."""

    def __init__(self, actor: ActorHandle[Any]) -> None:
        self._actor = actor

    @classmethod
    def start(cls) -> Self:
        actor: Any = ray.remote(num_cpus=0, max_restarts=-1)(_Board)
        return cls(actor.remote())

    @contextmanager
    def working(self, stage: str, what: str = _LOADING) -> Iterator[None]:
        """Note that this process works on `what` while the block runs."""
        worker = f"{ray.util.get_node_ip_address()}:{os.getpid()}"
        self._actor.begin.remote(worker, stage, what)
        try:
            yield
        finally:
            self._actor.end.remote(worker)

    def report(self, most: int = 5) -> str:
        """One line on what is being done, the longest at it first; empty where nothing is."""
        try:
            lines: list[str] = ray.get(self._actor.report.remote(), timeout=_ASK_SECONDS)
        except RayError:
            return "Ray does not answer"
        more = f"; and {len(lines) - most} more" if len(lines) > most else ""
        return "; ".join(lines[:most]) + more
