"""bootstrap.py and diversity.py: intervals that hold what they should, and scores that have none."""

import numpy as np
import pytest

from pipeline.evaluate.bootstrap import interval, resample
from pipeline.evaluate.diversity import Diversity
from pipeline.evaluate.metric import MetricScore, ratio
from tests.pipeline.evaluate.runs import captions_of


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(1).normal(3, 2, 400)
    (drawn,) = resample([ratio("mean", values)], 400, seed=0)
    low, high = interval(drawn) or (0, 0)
    assert len(drawn) == 1000
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.03)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_the_same_seed_draws_the_same_images_for_every_score() -> None:
    values = np.random.default_rng(2).random(50)
    one, other, third = resample([ratio("a", values), ratio("b", values + 1), ratio("c", values)], 50, seed=3)
    assert np.allclose(other - one, 1)
    assert (one == third).all()
    assert (resample([ratio("a", values)], 50, seed=3)[0] == one).all()
    assert (resample([ratio("a", values)], 50, seed=4)[0] != one).any()


def test_what_does_not_count_has_no_part_in_it() -> None:
    measured = ratio("some", [1.0, 0.0, 0.0], [2.0, 0.0, 0.0])
    assert measured.value() == 0.5
    (drawn,) = resample([measured], 3, seed=0)
    low, high = interval(drawn) or (0, 0)
    assert (low, high) == (0.5, 0.5)
    nothing = ratio("none", [0.0, 0.0], [0.0, 0.0])
    assert np.isnan(nothing.value())
    assert interval(resample([nothing], 2, seed=0)[0]) is None


def test_diversity() -> None:
    outcomes = Diversity().measure(captions_of(["A dog's bone", "a dog", None, "a dog!"]))
    measured = {one.name: one for one in outcomes if isinstance(one, MetricScore)}
    assert {name: one.value() for name, one in measured.items()} == {
        "distinct-1": 4 / 7, "distinct-2": 3 / 4, "vocabulary": 4.0, "mean length": 7 / 3
    }  # fmt: skip
    assert [name for name, one in measured.items() if one.resampled] == ["mean length"]
