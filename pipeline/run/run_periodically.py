"""Do something at an interval beside what runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def run_periodically(seconds: float, act: Callable[[], object]) -> Iterator[None]:
    """Call `act` in a thread every so many seconds while the block runs, for the first time after as many."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(seconds):
            act()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
