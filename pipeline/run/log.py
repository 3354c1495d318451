"""What is logged: plain lines for people; with MACCAP_LOG_FORMAT=json, where stderr is no terminal, a JSON
object per line, with the time, the level, the run, and where they are known the stage and the chunk that a
process works on (of `read`, the shard).
"""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from pipeline.storage.redact import describe, printable, redacted

LOG = logging.getLogger("maccap")
"""Of this package; `extra={"facts": {...}}` gives a line more fields."""

_about: dict[str, str] = {}  # of this process: a worker works on one chunk at a time


def is_json() -> bool:
    """Whether lines are JSON objects."""
    return os.environ.get("MACCAP_LOG_FORMAT", "").lower() == "json" and not sys.stderr.isatty()


def run_name(output: str) -> str:
    """How a run is called in logs and metrics: the last part of its OUTPUT."""
    return printable(redacted(output).rstrip("/").rsplit("/", 1)[-1])[:100] or "run"


def start_log(run: str) -> None:
    """Have what this process logs from now on be of `run`, and on stderr as it is asked for."""
    _about["run"] = run
    if is_json() and not LOG.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLine())
        LOG.addHandler(handler)
        LOG.setLevel(logging.INFO)
        LOG.propagate = False


def log_written(chunk: str, **facts: object) -> None:
    """A line for a chunk that was written, where lines are for a log store."""
    LOG.info("chunk written", extra={"facts": {"chunk": chunk, **facts}})


@contextmanager
def working_on(**about: str) -> Iterator[None]:
    """What is logged while the block runs is about this `stage` and `chunk`."""
    before = dict(_about)
    _about.update(about)
    try:
        yield
    finally:
        _about.clear()
        _about.update(before)


class JsonLine(logging.Formatter):
    """A record as a JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = getattr(record, "facts", {})
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **_about,
            "message": redacted(record.getMessage()),
            **facts,
        }
        if record.exc_info and isinstance(error := record.exc_info[1], Exception):
            line["error"] = f"{type(error).__name__}: {describe(error)}"
        return json.dumps(line, default=str)
