"""A run that stands still ends with an error that says what each stage is doing; it does not wait forever."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from pipeline.errors import RunError

Item = TypeVar("Item")


class _End(Exception):  # noqa: N818, no error
    """There are no more items."""


def until_stalled(items: Iterator[Item], seconds: float, doing: Callable[[], str]) -> Iterator[Item]:
    """`items`, as they come. Raises RunError with what `doing` says where none comes for `seconds`.

    They are taken in a thread of their own: nothing in Ray Data's iteration can be told to give up.
    """
    coming: queue.SimpleQueue[Item | BaseException] = queue.SimpleQueue()

    def take() -> None:
        try:
            for item in items:
                coming.put(item)
            coming.put(_End())
        except BaseException as error:
            coming.put(error)

    threading.Thread(target=take, daemon=True, name="receipts").start()
    while True:
        try:
            item = coming.get(timeout=seconds)
        except queue.Empty:
            raise RunError(
                f"no chunk was finished for {seconds:.0f} s (stall_seconds). {_told(doing())} "
                "What is written stays, and the same command goes on from there."
            ) from None
        if isinstance(item, _End):
            return
        if isinstance(item, BaseException):
            raise item
        yield item


def _told(doing: str) -> str:
    if doing:
        return f"Meanwhile {doing}."
    return "No stage is working: the cluster may have no room for what `resources` asks."
