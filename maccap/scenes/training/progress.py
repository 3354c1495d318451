"""One line of progress every few seconds, for training that takes minutes to hours."""

import json
import sys
import time


class ProgressReport:
    """Call once a step with the step's figures; prints their running means as a JSON line on stderr."""

    def __init__(self, what: str, steps: int, every_seconds: float = 20.0) -> None:
        self._what, self._steps, self._every = what, steps, every_seconds
        self._start = self._last = time.monotonic()
        self._sums: dict[str, float] = {}
        self._count = 0

    def __call__(self, step: int, **figures: float) -> None:
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        now = time.monotonic()
        if now - self._last < self._every and step + 1 < self._steps:
            return
        means = {name: round(total / self._count, 4) for name, total in self._sums.items()}
        left = (now - self._start) / (step + 1) * (self._steps - step - 1)
        line = {
            "training": self._what,
            "step": step + 1,
            "of": self._steps,
            **means,
            "seconds_left": round(left),
        }
        print(json.dumps(line), file=sys.stderr, flush=True)
        self._last, self._sums, self._count = now, {}, 0
