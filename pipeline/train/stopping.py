"""Ctrl-C, SIGTERM and the end of a terminal as a wish to stop, so that a step is finished and a checkpoint
saved.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Whether the process was asked to stop since the block began; a second signal acts as before it."""
    asked = threading.Event()

    def ask(signum: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(signum)]
        if not asked.is_set():
            asked.set()
        elif callable(handler):
            handler(signum, frame)
        else:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # only that one may handle signals
        yield asked.is_set
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    heeded = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, ask)
    try:
        yield asked.is_set
    finally:
        for number in heeded:
            signal.signal(number, before[number])
