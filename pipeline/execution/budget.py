"""How long a command may run, and what it may cost: looked at whenever a chunk is written."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pipeline.storage.errors import UserError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Size:
    """What is paid for: the machines of a cluster, and the GPUs in all of them together."""

    machines: int
    gpus: int


class Sized(Protocol):
    """Where a run computes. A cluster may grow and shrink."""

    @property
    def size(self) -> Size: ...


@dataclass(frozen=True)
class Prices:
    """Dollars per hour, of each GPU or of each machine; at most one of them is known. Raises UserError."""

    gpu_hour: float | None = None
    machine_hour: float | None = None

    def __post_init__(self) -> None:
        if self.gpu_hour is not None and self.machine_hour is not None:
            raise UserError(
                "--gpu-hour-price and --hour-price each tell what an hour costs: give one of them"
            )
        if any(price is not None and price <= 0 for price in (self.gpu_hour, self.machine_hour)):
            raise UserError("a price is a number of dollars above 0")

    @property
    def known(self) -> bool:
        return self.gpu_hour is not None or self.machine_hour is not None

    def per_hour(self, size: Size) -> float | None:
        """Of all that is paid for; None where no price is known. Raises UserError where the price is of GPUs,
        and there are none.
        """
        if self.machine_hour is not None:
            return self.machine_hour * size.machines
        if self.gpu_hour is None:
            return None
        if not size.gpus:
            raise UserError("--gpu-hour-price is of GPUs, and here are none: give --hour-price, of a machine")
        return self.gpu_hour * size.gpus


class Budget:
    """What a command may take, from now on; without limits, all it needs."""

    def __init__(
        self,
        stop_after: str | None = None,
        max_cost: float | None = None,
        prices: Prices | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`stop_after` is a duration such as 90s, 30m, 2h or 1d, `max_cost` in dollars at `prices`. Raises
        UserError.
        """
        self._prices = prices or Prices()
        if max_cost is not None and not self._prices.known:
            raise UserError("--max-cost needs a price: give --gpu-hour-price, or --hour-price of a machine")
        if max_cost is not None and max_cost <= 0:
            raise UserError(f"--max-cost {max_cost:g} is no number of dollars above 0")
        if max_cost is None and self._prices.known:
            raise UserError("--gpu-hour-price and --hour-price go with --max-cost")
        self._stop_after, self._max_cost = stop_after, max_cost
        self._seconds = None if stop_after is None else seconds_of(stop_after)
        self._clock = clock
        self._began = self._looked = clock()
        self._cost = 0.0

    @property
    def cost(self) -> float | None:
        """Dollars at the last look; None where there is no price."""
        return self._cost if self._prices.known else None

    @property
    def max_cost(self) -> float | None:
        return self._max_cost

    def check(self, paid: Sized) -> None:
        """Raises UserError where the price is of what is not there. Asks nothing where there is no price."""
        if self._prices.known:
            self._prices.per_hour(paid.size)

    def spent(self, paid: Sized) -> str | None:
        """Which limit is reached, in words; None while there is none. Each look charges the time since the
        last one, at the size that the cluster has now.
        """
        now = self._clock()
        if self._max_cost is not None:
            self._cost += (self._prices.per_hour(paid.size) or 0.0) * (now - self._looked) / 3600
            self._looked = now
            if self._cost >= self._max_cost:
                return f"${self._cost:.2f} spent (--max-cost {self._max_cost:g})"
        if self._seconds is not None and now - self._began >= self._seconds:
            return f"{now - self._began:.0f} s passed (--stop-after {self._stop_after})"
        return None


def seconds_of(duration: str) -> float:
    """Of 90s, 30m, 2h, 1d or 1.5h. Raises UserError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", duration.strip())
    if not match or not float(match[1]):
        raise UserError(f"--stop-after {duration} is no duration, such as 90s, 30m, 2h or 1d")
    return float(match[1]) * _UNITS[match[2]]
