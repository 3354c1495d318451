"""What each worker of a run is doing and how many rows are read, told to a small Ray actor, so that a run
that stands still can say why.

Ray's own view of this needs its dashboard; this costs two messages a chunk and stage.
"""

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError

from pipeline.run.log import start_log, working_on

_ASK_SECONDS = 10.0
_TELL_SECONDS = 1.0
_LOADING = "loading its model"


class _Activity:
    """Runs as an actor without a fraction of a CPU."""

    def __init__(self) -> None:
        self._doing: dict[str, tuple[str, str, float]] = {}  # worker: stage, chunk, since
        self._begun: dict[str, set[str]] = {}  # stage: workers
        self._rows: dict[str, int] = {}  # read so far of each shard
        self._read_at = time.monotonic()

    def begin(self, worker: str, stage: str, what: str) -> None:
        self._doing[worker] = (stage, what, time.monotonic())
        self._begun.setdefault(stage, set()).add(worker)

    def end(self, worker: str) -> None:
        self._doing.pop(worker, None)

    def note_read(self, shard: str, rows: int) -> None:
        if rows > self._rows.get(shard, 0):
            self._rows[shard], self._read_at = rows, time.monotonic()

    def rows_read(self) -> int:
        return sum(self._rows.values())

    def quiet(self) -> float:
        return time.monotonic() - self._read_at

    def begun(self) -> dict[str, int]:
        return {stage: len(workers) for stage, workers in self._begun.items()}

    def working(self) -> dict[str, int]:
        return Counter(stage for stage, _, _ in self._doing.values())

    def report(self) -> list[str]:
        now = time.monotonic()
        return [
            f"{stage} has been at {what} for {now - since:.0f} s (worker {worker})"
            for worker, (stage, what, since) in sorted(self._doing.items(), key=lambda item: item[1][2])
        ]


class WorkerActivity:
    """A handle that travels to the workers of `run`."""

    def __init__(self, actor: ActorHandle[Any], run: str) -> None:
        self._actor, self._run = actor, run

    @classmethod
    def start(cls, run: str) -> Self:
        actor: Any = ray.remote(num_cpus=0, max_restarts=-1)(_Activity)
        return cls(actor.remote(), run)

    @contextmanager
    def working(self, stage: str, what: str = _LOADING) -> Iterator[None]:
        """Note that this process works on `what` while the block runs; what it logs says so too."""
        start_log(self._run)
        worker = f"{ray.util.get_node_ip_address()}:{os.getpid()}"
        self._actor.begin.remote(worker, stage, what)
        try:
            with working_on(stage=stage, chunk=what):
                yield
        finally:
            self._actor.end.remote(worker)

    @contextmanager
    def reading(self, shard: str) -> Iterator[Callable[[int], None]]:
        """As `working`; what it yields notes how many rows of `shard` this process has read."""
        told_at, rows = -math.inf, 0

        def note(rows_read: int) -> None:
            nonlocal told_at, rows
            rows = rows_read
            if time.monotonic() - told_at > _TELL_SECONDS:
                self._actor.note_read.remote(shard, rows)
                told_at = time.monotonic()

        with self.working("read", shard):
            yield note
            self._actor.note_read.remote(shard, rows)

    def rows_read(self) -> int:
        """Of all shards, by all processes; 0 where Ray does not answer."""
        rows: int | None = self._ask("rows_read")
        return rows or 0

    def begun(self) -> dict[str, int]:
        """How many workers each stage has had; empty where Ray does not answer."""
        begun: dict[str, int] | None = self._ask("begun")
        return begun or {}

    def working_by_stage(self) -> dict[str, int]:
        """How many workers are at each stage; empty where Ray does not answer."""
        working: dict[str, int] | None = self._ask("working")
        return working or {}

    def quiet(self) -> float:
        """Seconds since a row was read."""
        seconds: float | None = self._ask("quiet")
        return math.inf if seconds is None else seconds

    def _ask(self, question: str) -> Any:
        try:
            return ray.get(getattr(self._actor, question).remote(), timeout=_ASK_SECONDS)
        except RayError:
            return None

    def report(self, most: int = 5) -> str:
        """One line on what is being done, the longest at it first; empty where nothing is."""
        lines: list[str] | None = self._ask("report")
        if lines is None:
            return "Ray does not answer"
        more = f"; and {len(lines) - most} more" if len(lines) > most else ""
        return "; ".join(lines[:most]) + more
