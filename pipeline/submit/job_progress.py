"""How far a job is: the last line of progress in its log, which commands print as JSON, with or without what
`MACCAP_LOG_FORMAT=json` adds.
"""

import json
from typing import Any

from pipeline.run.progress import clock

_LOGGED = {"time", "level", "message"}  # of a line of a log (`pipeline/run/log.py`), which is no answer


class JobProgress:
    """Of the log lines that were told so far; `last_json` is the last other line that is a JSON object, with
    which a command ends.
    """

    def __init__(self) -> None:
        self._facts: dict[str, Any] = {}
        self.last_json: dict[str, Any] | None = None

    def add(self, line: str) -> bool:
        """Whether the line is one of progress."""
        if not line.startswith("{"):
            return False
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            return False
        if isinstance(progress := found.get("progress"), dict):
            self._facts = progress
            return True
        if not found.keys() >= _LOGGED:
            self.last_json = found
        return False

    def facts(self) -> dict[str, Any]:
        return self._facts

    def line(self) -> str:
        """Rows or steps, speed, errors, time left: what of these the job tells."""
        unit = next((unit for unit in ("images", "captions") if f"{unit}_per_second" in self._facts), "rows")
        parts = []
        done, of = self._counts()
        if done is not None:
            parts.append(f"{done:,} of {of:,}" if of is not None else f"{done:,}")
            parts[-1] += " steps" if "step" in self._facts else f" {unit}"
        if (speed := self._number(f"{unit}_per_second")) is not None:
            parts.append(f"{speed:,.1f} {unit}/s")
        if (errors := self._number("errors")) is not None:
            parts.append(f"{errors:,.0f} errors")
        if (loss := self._number("loss")) is not None:
            parts.append(f"loss {loss:.3f}")
        if (left := self._number("seconds_left")) is not None:
            parts.append(f"{clock(left)} left")
        return ", ".join(parts)

    def _counts(self) -> tuple[int | None, int | None]:
        for done, of in (("rows", "rows_expected"), ("step", "steps"), ("done", "captions")):
            if (count := self._number(done)) is not None:
                expected = self._number(of)
                return int(count), None if expected is None else int(expected)
        return None, None

    def _number(self, name: str) -> float | None:
        value = self._facts.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return value if abs(value) < 1e15 else None  # neither NaN nor infinite


def progress_of(log: str) -> JobProgress:
    """Of a whole log."""
    found = JobProgress()
    for line in log.splitlines():
        found.add(line)
    return found
