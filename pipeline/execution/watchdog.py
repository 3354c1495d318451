"""A run that stands still ends with an error that says what each stage is doing; it does not wait forever."""

import math
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TypeVar

from pipeline.storage.errors import RunError

Item = TypeVar("Item")


_taking: "weakref.WeakSet[threading.Thread]" = weakref.WeakSet()


def still_taking() -> bool:
    """Whether items that nobody waits for any more are being made."""
    return any(thread.is_alive() for thread in _taking)


class _End(Exception):  # noqa: N818, no error
    """There are no more items."""


def watched(
    items: Iterator[Item],
    seconds: float,
    doing: Callable[[], str],
    quiet: Callable[[], float] = lambda: math.inf,
) -> Iterator[Item]:
    """`items`, as they come. Raises RunError with what `doing` says where none comes for `seconds`, and
    `quiet` tells as many seconds without other progress.

    They are taken in a thread of their own: nothing in Ray Data's iteration can be told to give up. Once
    nobody asks for more, no item after the next one is made.
    """
    coming: queue.SimpleQueue[Item | BaseException] = queue.SimpleQueue()
    ended = threading.Event()

    def take() -> None:
        try:
            for item in items:
                if ended.is_set():
                    return
                coming.put(item)
            coming.put(_End())
        except BaseException as error:
            coming.put(error)

    taking = threading.Thread(target=take, daemon=True, name="results")
    _taking.add(taking)
    taking.start()
    try:
        yield from _waited_for(coming, seconds, doing, quiet)
    finally:
        ended.set()


def _waited_for(
    coming: "queue.SimpleQueue[Item | BaseException]",
    seconds: float,
    doing: Callable[[], str],
    quiet: Callable[[], float],
) -> Iterator[Item]:
    wait = seconds
    while True:
        try:
            item = coming.get(timeout=wait)
        except queue.Empty:
            wait = seconds - quiet()
            if wait > 0:
                continue
            raise RunError(
                f"no row was read and no chunk was finished for {seconds:.0f} s (stall_seconds). "
                f"{_told(doing())} What is written stays, and the same command resumes."
            ) from None
        wait = seconds
        if isinstance(item, _End):
            return
        if isinstance(item, BaseException):
            raise item
        yield item


def _told(doing: str) -> str:
    if doing:
        return f"Meanwhile {doing}."
    return (
        "No stage is working: the cluster may have no room for what `resources` asks, or so little memory "
        "that Ray ends what it starts."
    )
