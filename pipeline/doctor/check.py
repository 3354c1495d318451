"""What a check is and what it finds. Checks run side by side, each for so many seconds at most."""

import queue
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import Literal, NamedTuple

from pipeline.storage.redact import describe, shown

Status = Literal["ok", "optional", "warning", "fault"]
"""`optional`: not here, and only some commands need it; `warning`: runs work, but slower or less surely."""


class Finding(NamedTuple):
    """One thing that was looked at, and the fix where it is not as it should be."""

    status: Status
    text: str
    fix: str = ""


@dataclass(frozen=True)
class Check:
    """`find` may raise: that is a fault with the error's message. So is no answer within `seconds`, of which
    `if_silent` is the fix.
    """

    name: str
    find: Callable[[], Iterable[Finding]]
    seconds: float = 10
    if_silent: str = ""


def run_checks(checks: Sequence[Check]) -> Iterator[tuple[str, Finding]]:
    """What the checks find, with their names and in their order, each on one line and without secrets.

    Each works in a thread of its own, which is left behind if it hangs.
    """
    began = time.monotonic()
    running = [(check, _started(check)) for check in checks]
    for check, answer in running:
        left = max(0.0, began + check.seconds - time.monotonic())
        try:
            found = answer.get(timeout=left)
        except queue.Empty:
            found = [Finding("fault", f"no answer within {check.seconds:g} seconds", check.if_silent)]
        for status, text, fix in found:
            yield _one_line(check.name), Finding(status, _one_line(text), _one_line(fix))


def _started(check: Check) -> queue.SimpleQueue[list[Finding]]:
    answer: queue.SimpleQueue[list[Finding]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answer.put(list(check.find()))
        except Exception as error:
            answer.put([Finding("fault", f"{type(error).__name__}: {describe(error)}")])

    Thread(target=work, daemon=True, name=check.name).start()
    return answer


def _one_line(text: str) -> str:
    """`text` may hold names of files and what other programs said."""
    line = shown(" ".join(text.split()))
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
