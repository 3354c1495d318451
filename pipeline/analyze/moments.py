"""Mean, variance, skewness and kurtosis of each dimension, in one pass and in parts."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """`count` vectors of D dimensions: their mean, and the sums of the second to fourth powers of what each
    is away from it, all [D]. `a + b` are the moments of both sets (Pébay 2008, equations 2.1 and 3.1).
    """

    count: int
    mean: NDArray[np.float64]
    power2: NDArray[np.float64]
    power3: NDArray[np.float64]
    power4: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Self:
        """Of vectors [count, D], of which there may be none."""
        values = values.astype(np.float64)
        mean = values.mean(axis=0) if len(values) else np.zeros(values.shape[1])
        away = values - mean
        return cls(len(values), mean, *(np.sum(away**power, axis=0) for power in (2, 3, 4)))

    def __add__(self, other: "Moments") -> "Moments":
        a, b, n = self.count, other.count, max(1, self.count + other.count)
        apart = other.mean - self.mean
        power2 = self.power2 + other.power2 + apart**2 * (a * b / n)
        power3 = (
            self.power3
            + other.power3
            + apart**3 * (a * b * (a - b) / n**2)
            + 3 * apart * (a * other.power2 - b * self.power2) / n
        )
        power4 = (
            self.power4
            + other.power4
            + apart**4 * (a * b * (a * a - a * b + b * b) / n**3)
            + 6 * apart**2 * (a * a * other.power2 + b * b * self.power2) / n**2
            + 4 * apart * (a * other.power3 - b * self.power3) / n
        )
        return Moments(a + b, self.mean + apart * (b / n), power2, power3, power4)

    @property
    def variance(self) -> NDArray[np.float64]:
        """Of each dimension, unbiased."""
        return self.power2 / max(1, self.count - 1)

    @property
    def std(self) -> NDArray[np.float64]:
        return np.sqrt(self.variance)

    @property
    def skewness(self) -> NDArray[np.float64]:
        """0 for a Gaussian; 0 too for a dimension that does not vary."""
        return np.sqrt(self.count) * _over(self.power3, self.power2**1.5)

    @property
    def excess_kurtosis(self) -> NDArray[np.float64]:
        """0 for a Gaussian; 0 too for a dimension that does not vary."""
        return np.where(self.power2 > 0, self.count * _over(self.power4, self.power2**2) - 3, 0.0)


def _over(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
