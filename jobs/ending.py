"""How a command ends: asked to once, it interrupts its run and says so; asked twice, it ends at once."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
_SHOW_CURSOR = b"\x1b[?25h"  # the live line hides it

_asked = threading.Event()


def heed_signals() -> None:
    """Take Ctrl-C, what `ray job stop` and Kubernetes send, and the end of a terminal as the wish to end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under `nohup`
            signal.signal(number, _ask)


def end_process(code: str | int | None) -> NoReturn:
    """End with `code`, and leave no process of a Ray that was started here."""
    _asked.set()
    clean = True
    if "pipeline.execution.cluster" in sys.modules:
        from pipeline.execution.cluster import end_local_ray

        clean = end_local_ray()
    if clean:
        sys.exit(code)
    _exit(code if isinstance(code, int) else 0)  # else it would wait for Ray as it exits


@contextlib.contextmanager
def resumable(output: object) -> Iterator[None]:
    """What a command is told that is interrupted in the block, unless the run has said so itself."""
    try:
        yield
    except KeyboardInterrupt as stop:
        kept = f"stopped. What is written in {output} stays; the same command resumes."
        raise KeyboardInterrupt(str(stop) or kept) from None


def _ask(signum: int, frame: FrameType | None) -> None:
    if not _asked.is_set():
        _asked.set()
        raise KeyboardInterrupt
    if "pipeline.execution.cluster" in sys.modules:
        from pipeline.execution.cluster import abandon_local_ray

        abandon_local_ray()
    if sys.stderr.isatty():
        with contextlib.suppress(OSError):
            os.write(sys.stderr.fileno(), _SHOW_CURSOR)
    _exit(INTERRUPTED)


def _exit(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
