"""Receipts pass through as they come, and a run without any says what it is doing."""

import threading
from collections.abc import Iterator

import pytest

from pipeline.errors import RunError
from pipeline.stall import until_stalled


def test_items_pass_through_in_order() -> None:
    assert list(until_stalled(iter(range(5)), 60, str)) == [0, 1, 2, 3, 4]


def test_an_error_comes_after_what_was_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise RunError("a stage failed")

    items = until_stalled(broken(), 60, str)
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

    items = until_stalled(stuck(), 0.2, lambda: doing)
    assert next(items) == 1
    with pytest.raises(RunError, match="stall_seconds") as told:
        next(items)
    assert expected in str(told.value)
    never.set()
