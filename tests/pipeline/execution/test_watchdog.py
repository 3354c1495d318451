"""Items pass through as they come, and a run without any says what it is doing."""

import threading
from collections.abc import Iterator

import pytest

from pipeline.execution.watchdog import watched
from pipeline.storage.errors import RunError


def test_items_pass_through_in_order() -> None:
    assert list(watched(iter(range(5)), 60, str)) == [0, 1, 2, 3, 4]


def test_an_error_comes_after_what_was_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise RunError("a stage failed")

    items = watched(broken(), 60, str)
    assert next(items) == 1
    with pytest.raises(RunError, match="a stage failed"):
        next(items)


@pytest.mark.parametrize(
    ("doing", "expected"),
    [
        ("decode has been at a.00001.parquet", "Meanwhile decode has been at a.00001"),
        ("", "No stage is working"),
    ],
)
def test_standing_still_is_an_error_that_says_why(doing: str, expected: str) -> None:
    never = threading.Event()

    def stuck() -> Iterator[int]:
        yield 1
        never.wait()

    items = watched(stuck(), 0.2, lambda: doing)
    assert next(items) == 1
    with pytest.raises(RunError, match="stall_seconds") as told:
        next(items)
    assert expected in str(told.value)
    never.set()


def test_rows_that_are_read_slowly_are_no_standstill() -> None:
    enough, asked = threading.Event(), []

    def slow() -> Iterator[int]:
        enough.wait()
        yield 1

    def quiet() -> float:
        asked.append(1)
        if len(asked) == 5:
            enough.set()
        return 0.1

    assert list(watched(slow(), 0.2, str, quiet)) == [1]
    assert len(asked) == 5


def test_reading_that_stopped_is_one() -> None:
    never = threading.Event()

    def stuck() -> Iterator[int]:
        never.wait()
        yield 1

    quiet = iter([0.1, 0.15, 0.2])
    with pytest.raises(RunError, match="no row was read"):
        next(watched(stuck(), 0.2, str, lambda: next(quiet)))
    assert list(quiet) == []
    never.set()


def test_once_nobody_asks_for_more_one_item_is_still_made_and_then_no_other() -> None:
    asked, closed = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        try:
            yield 1
            asked.wait()
            yield 2
            raise AssertionError
        finally:
            closed.set()

    taken = watched(items(), 60, str)
    assert next(taken) == 1
    taken.close()  # type: ignore[attr-defined]
    del taken
    asked.set()
    assert closed.wait(60)
