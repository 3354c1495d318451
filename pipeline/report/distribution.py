"""A histogram as a block of the page: upright bars, and above them its mean and percentiles in words."""

import math
from collections.abc import Iterator

from pipeline.report.blocks import Columns
from pipeline.report.histogram import Bar, Histogram

_BARS = 40


def distribution(title: str, about: str, histogram: Histogram, digits: int) -> Iterator[Columns]:
    """Nothing where it has no values; whole numbers where there are no `digits`."""
    bars, mean = histogram.bars(_BARS), histogram.mean
    if mean is None:
        return
    low, middle, high = (_quantile(histogram, fraction, digits) for fraction in (0.05, 0.5, 0.95))
    yield Columns(
        title,
        f"{about} Mean {mean:.{digits + 1}f}, median {middle}, 5th percentile {low}, 95th percentile {high}. "
        "The first and last bar hold what lies beyond, too.",
        "captions",
        [_range(bar, digits) for bar in bars],
        [bar.values for bar in bars],
        (f"{bars[0].low:.{digits}f}", f"{bars[-1].high - (digits == 0):.{digits}f}"),
    )


def _quantile(histogram: Histogram, fraction: float, digits: int) -> str:
    value = histogram.quantile(fraction)
    if math.isinf(value):
        end, beyond = (histogram.high, "more") if value > 0 else (histogram.low, "less")
        return f"{end:.{digits}f} or {beyond}"
    return f"{value:.{digits}f}" if digits else f"{math.floor(value)}"


def _range(bar: Bar, digits: int) -> str:
    """The values that a bar stands for."""
    if digits:
        return f"{bar.low:.{digits + 1}f} to {bar.high:.{digits + 1}f}"
    last = bar.high - 1
    return f"{bar.low:.0f}" if bar.low == last else f"{bar.low:.0f} to {last:.0f}"
