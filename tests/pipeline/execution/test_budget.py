"""When a command's time or money is spent, by a clock that the test turns."""

from dataclasses import dataclass

import pytest

from pipeline.execution.budget import Budget, Prices, Size, seconds_of
from pipeline.storage.errors import UserError


@dataclass
class Rented:
    size: Size


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("duration", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("1.5h", 5400)]
)
def test_durations(duration: str, seconds: float) -> None:
    assert seconds_of(duration) == seconds


@pytest.mark.parametrize("duration", ["", "2", "2 hours", "-1h", "0s", "1e3s", "2h30m"])
def test_what_is_no_duration(duration: str) -> None:
    with pytest.raises(UserError, match="is no duration, such as 90s, 30m, 2h or 1d"):
        seconds_of(duration)


def test_time_passes() -> None:
    clock, paid = Clock(), Rented(Size(1, 0))
    budget = Budget("2m", clock=clock)
    clock.now += 119
    assert budget.spent(paid) is None
    clock.now += 1
    assert budget.spent(paid) == "120 s passed (--stop-after 2m)"


def test_a_cluster_costs_what_it_was_large(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, paid = Clock(), Rented(Size(2, 8))
    budget = Budget(max_cost=20, prices=Prices(gpu_hour=2), clock=clock)
    budget.check(paid)
    clock.now += 3600
    assert budget.spent(paid) is None  # 16 dollars
    paid.size = Size(1, 4)
    clock.now += 1799
    assert budget.spent(paid) is None
    clock.now += 1
    assert budget.spent(paid) == "$20.00 spent (--max-cost 20)"
    machines = Budget(max_cost=3, prices=Prices(machine_hour=1.5), clock=clock)
    clock.now += 7200
    assert machines.spent(paid) == "$3.00 spent (--max-cost 3)"


def test_without_limits_nothing_is_asked() -> None:
    budget = Budget()
    nobody: Rented = None  # type: ignore[assignment]
    budget.check(nobody)
    assert budget.spent(nobody) is None


@pytest.mark.parametrize(
    ("max_cost", "prices", "message"),
    [
        (5, (None, None), "--max-cost needs a price"),
        (0, (1, None), "--max-cost 0 is no number of dollars above 0"),
        (None, (1, None), "go with --max-cost"),
        (5, (1, 1), "give one of them"),
        (5, (-1, None), "a price is a number of dollars above 0"),
    ],
)
def test_what_does_not_go_together(
    max_cost: float | None, prices: tuple[float | None, float | None], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Budget(max_cost=max_cost, prices=Prices(*prices))


def test_a_price_of_gpus_where_there_are_none() -> None:
    with pytest.raises(UserError, match="here are none: give --hour-price"):
        Budget(max_cost=5, prices=Prices(gpu_hour=1)).check(Rented(Size(1, 0)))
