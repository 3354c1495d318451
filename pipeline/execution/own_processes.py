"""The processes of a local Ray, found by a mark in their environment whoever their parent is by now, and
their end.

Ray ends them by itself, but a worker may hang as it exits, and then outlives the run.
"""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

_MARK = "MACCAP_STARTED_BY"
_THIS_PROCESS = uuid.uuid4().hex
_GRACE_SECONDS = 2.0


@contextmanager
def marked() -> Iterator[None]:
    """What is started while the block runs bears this process's mark, and so does what that starts later."""
    os.environ[_MARK] = _THIS_PROCESS
    try:
        yield
    finally:
        del os.environ[_MARK]


def marked_processes() -> list[psutil.Process]:
    """Those that bear this process's mark and run."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # it has ended, or belongs to someone else
            if process.pid != os.getpid() and process.environ().get(_MARK) == _THIS_PROCESS:
                found.append(process)
    return found


def end_marked(grace: float = _GRACE_SECONDS) -> None:
    """Return once no marked process runs: after `grace` seconds they are asked to end, and then made to."""
    if _gone_within(grace):
        return
    for act in (psutil.Process.terminate, psutil.Process.kill):
        for process in marked_processes():
            with suppress(psutil.Error):
                act(process)
        if _gone_within(grace):
            return


def kill_marked() -> None:
    """End them without a word, and without waiting."""
    for process in marked_processes():
        with suppress(psutil.Error):
            process.kill()


def _gone_within(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while marked_processes():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
