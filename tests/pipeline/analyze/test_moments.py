"""Streaming moments: those of known distributions, and of parts as of the whole."""

import numpy as np
import pytest

from pipeline.analyze.moments import Moments


def test_known_mean_and_deviation_are_found() -> None:
    mean, std = np.linspace(-0.05, 0.08, 6), np.linspace(0.01, 0.06, 6)
    values = np.random.default_rng(0).normal(mean, std, (40_000, 6)).astype(np.float32)
    found = Moments.of(values)
    assert found.mean == pytest.approx(mean, abs=5e-4)
    assert found.std == pytest.approx(std, rel=0.02)
    assert found.skewness == pytest.approx(np.zeros(6), abs=0.05)
    assert found.excess_kurtosis == pytest.approx(np.zeros(6), abs=0.1)


def test_shapes_are_those_of_the_distributions() -> None:
    numbers = np.random.default_rng(1)
    values = np.stack([numbers.exponential(size=200_000), numbers.uniform(size=200_000)], axis=1)
    found = Moments.of(values)
    assert found.skewness == pytest.approx([2.0, 0.0], abs=0.1)
    assert found.excess_kurtosis == pytest.approx([6.0, -1.2], rel=0.15)


@pytest.mark.parametrize("cuts", [[300], [1, 2, 500], [0, 999], [250, 250, 750]])
def test_parts_add_up_to_the_whole_in_any_order(cuts: list[int]) -> None:
    values = np.random.default_rng(2).gamma(2.0, 3.0, (1000, 5)) + 50
    parts = [Moments.of(part) for part in np.split(values, cuts)]
    whole = Moments.of(values)
    for some in (parts, parts[::-1]):
        total = some[0]
        for part in some[1:]:
            total = total + part
        assert total.count == 1000
        for name in ("mean", "std", "skewness", "excess_kurtosis"):
            assert getattr(total, name) == pytest.approx(getattr(whole, name), rel=1e-8)


def test_dimensions_that_do_not_vary_have_no_shape() -> None:
    found = Moments.of(np.ones((3, 2)))
    assert found.std.tolist() == found.skewness.tolist() == found.excess_kurtosis.tolist() == [0, 0]
    nothing = Moments.of(np.zeros((0, 2)))
    assert (nothing + nothing).count == 0
    assert (nothing + found).mean.tolist() == (found + nothing).mean.tolist() == [1, 1]
