"""Fractions, ranks and histograms of cosines that are known."""

import numpy as np
import pytest

from pipeline.analyze.closeness import BINS, EDGES, Closeness
from tests.pipeline.analyze.pairs import REGIONS, as_read, known_cosines


def test_the_known_fraction_and_rank_are_found() -> None:
    found = Closeness.of(as_read(known_cosines(200, closer=0.35)))
    assert (found.pairs, found.nearest, found.read) == (200, 70, 70)
    assert found.ranks.tolist() == [0, 70, 0, 0]
    assert found.best.sum() == 200
    assert found.best[1] >= 70
    assert found.cosines[0] == pytest.approx(0.3 * 200)


def test_an_equal_cosine_is_not_closer() -> None:
    found = Closeness.of(np.array([[0.5, 0.5, 0.5, 0.5, 0.5], [0.5, 0.4, 0.6, 0.5, 0.4]]))
    assert (found.nearest, found.read) == (1, 0)
    assert found.ranks.tolist() == [0, 1]
    assert found.cosines == pytest.approx([1.0, 1.1, 0.9, 1.1])


def test_histograms_hold_every_cosine() -> None:
    found = Closeness.of(np.array([[-1.0, 1.0000001, 0.001, 0.0, 0.0]]))
    assert found.histograms.shape == (3, BINS)
    assert found.histograms.sum(axis=1).tolist() == [1, 1, 2]
    assert found.histograms[0, 0] == found.histograms[1, -1] == 1
    assert found.histograms[2, np.searchsorted(EDGES, 0.001) - 1] == 1


def test_parts_add_up_to_the_whole() -> None:
    cosines = np.random.default_rng(0).uniform(-1, 1, (50, 1 + 2 * REGIONS))
    whole = Closeness.of(cosines)
    for cut in (0, 1, 20, 50):
        total = Closeness.of(cosines[cut:]) + Closeness.of(cosines[:cut])
        assert (total.pairs, total.nearest, total.read) == (whole.pairs, whole.nearest, whole.read)
        for name in ("ranks", "best", "histograms"):
            assert getattr(total, name).tolist() == getattr(whole, name).tolist()
        assert total.cosines == pytest.approx(whole.cosines)
