"""How far a run is: a live line on a terminal, otherwise a JSON line on stderr every few seconds."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pipeline.run.log import LOG
from pipeline.run.run_periodically import run_periodically
from pipeline.stages.measured import Measured
from pipeline.stages.write import WriteResult

_LINE_SECONDS = 5.0  # between lines where there is no terminal


class Shown(Protocol):
    """What can be shown as it goes on: as a line for a person, and as facts for a program."""

    def line(self) -> str: ...

    def facts(self) -> dict[str, Any]: ...


@dataclass
class Progress:
    """Counts of a run. `rows_known` is None for tars, which hold an unknown number until they are read;
    `chunks_of_done_shards` then tells how many chunks per shard has. `measured` and `bytes` are of what this
    command wrote, and `cost` in dollars what it has cost so far, at most `max_cost`; None where no price is
    known."""

    shards: int
    rows: int = 0
    errors: int = 0
    chunks: int = 0
    shards_done: int = 0
    chunks_of_done_shards: int = 0
    rows_known: int | None = None
    written_before: int = 0
    rows_read: int = 0
    bytes: int = 0
    measured: Measured = field(default_factory=Measured)
    cost: float | None = None
    max_cost: float | None = None
    started: float = field(default_factory=time.monotonic)
    moved_at: float = field(default_factory=time.time)  # when a row was read or a chunk written, in Unix time

    def add(self, result: WriteResult) -> None:
        self.rows += result.rows
        self.errors += result.errors
        self.bytes += result.bytes
        self.measured += result.measured
        self.chunks += 1
        self.moved_at = time.time()
        if result.last:  # chunks before it may still be on their way
            self.shards_done += 1
            self.chunks_of_done_shards += result.position + 1

    def note_read(self, rows: int) -> None:
        """So many rows were read by now, since the start of this command."""
        if rows > self.rows_read:
            self.rows_read, self.moved_at = rows, time.time()

    def note_cost(self, cost: float | None, max_cost: float | None) -> None:
        """So many dollars this command has cost by now, of at most so many."""
        self.cost, self.max_cost = cost, max_cost

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def images_per_second(self) -> float:
        return (self.rows - self.written_before) / self.seconds if self.seconds else 0.0

    @property
    def rows_expected(self) -> int | None:
        """Rows in all: known, or judged from the shards that are done."""
        if self.rows_known is not None:
            return self.rows_known
        if not self.shards_done or not self.chunks:
            return None
        return round(self.rows / self.chunks * self.chunks_of_done_shards / self.shards_done * self.shards)

    @property
    def seconds_left(self) -> float | None:
        expected = self.rows_expected
        if expected is None or not self.images_per_second:
            return None
        return max(0.0, (expected - self.rows) / self.images_per_second)

    @property
    def projected_cost(self) -> float | None:
        """Of this command, when it is done, at what a row has cost so far."""
        expected, new = self.rows_expected, self.rows - self.written_before
        if self.cost is None or expected is None or not new:
            return None
        return self.cost * max(1.0, (expected - self.written_before) / new)

    def facts(self) -> dict[str, Any]:
        left = self.seconds_left
        return {
            "rows": self.rows,
            "rows_expected": self.rows_expected,
            "rows_read": self.rows_read,
            "shards": self.shards,
            "shards_done": self.shards_done,
            "errors": self.errors,
            "images_per_second": round(self.images_per_second, 2),
            "seconds_left": None if left is None else round(left),
            **({} if self.cost is None else {"cost": round(self.cost, 2)}),
        }

    def line(self) -> str:
        expected, left = self.rows_expected, self.seconds_left
        about = "" if self.rows_known is not None or expected is None else "about "
        rows = (
            f"{self.rows:,} of {about}{expected:,} images"
            if expected is not None
            else f"{self.rows:,} images"
        )
        parts = [rows, f"{self.images_per_second:.1f} images/s", f"{self.errors:,} errors"]
        if self.rows_read > self.rows - self.written_before:
            parts.insert(1, f"{self.rows_read:,} read")
        if self.rows_known is None:
            parts.insert(1, f"{self.shards_done:,} of {self.shards:,} shards")
        if left is not None:
            parts.append(f"{clock(left)} left")
        return "  ".join(parts)


@contextmanager
def live_line(progress: Shown) -> Iterator[None]:
    """Show `progress` on stderr while the block runs, and once more at its end."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Live(get_renderable=lambda: Text(progress.line()), console=console, refresh_per_second=4):
            yield
        return

    def report() -> None:
        if LOG.handlers:
            LOG.info("progress", extra={"facts": {"progress": progress.facts()}})
        else:
            print(json.dumps({"progress": progress.facts()}), file=sys.stderr, flush=True)

    with run_periodically(_LINE_SECONDS, report):
        yield
    report()


def clock(seconds: float) -> str:
    """Minutes and seconds, and hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
