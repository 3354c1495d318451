"""One line of progress every few seconds, for training that takes minutes to hours."""

import json
import sys
import time
from statistics import fmean


class ProgressReport:
    """Call once a step with the step's figures; prints their running means as a JSON line on stderr."""

    def __init__(self, what: str, steps: int, every_seconds: float = 20.0) -> None:
        self._what, self._steps, self._every = what, steps, every_seconds
        self._start = self._last = time.monotonic()
        self._since: dict[str, list[float]] = {}
        self._calls = 0

    def __call__(self, step: int, **figures: float) -> None:
        for name, value in figures.items():
            self._since.setdefault(name, []).append(value)
        self._calls += 1
        now = time.monotonic()
        if now - self._last < self._every and step + 1 < self._steps:
            return
        means = {name: round(fmean(values), 4) for name, values in self._since.items()}
        left = (now - self._start) / self._calls * (self._steps - step - 1)
        line = {
            "training": self._what,
            "step": step + 1,
            "of": self._steps,
            **means,
            "seconds_left": round(left),
        }
        print(json.dumps(line), file=sys.stderr, flush=True)
        self._last, self._since = now, {}
