"""A known gap and a known closeness are found, and the verdicts follow from them; also for verdicts.py."""

import numpy as np
import pytest

from pipeline.analyze.findings import Findings, findings_of
from pipeline.analyze.pair_sample import KEPT
from pipeline.analyze.verdicts import verdicts
from tests.pipeline.analyze.pairs import compared, known_cosines

IMAGES, DIMENSIONS = 4000, 64
STD = np.linspace(0.02, 0.05, DIMENSIONS)
MEAN = np.linspace(-0.1, 0.1, DIMENSIONS)


def _findings(
    mean: float = 1.0,
    std: float = 1.0,
    closer: float = 0.8,
    other: float = 0.3,
    images: int = IMAGES,
    shape: str = "normal",
) -> Findings:
    """`mean` and `std` scale those of the differences."""
    numbers = np.random.default_rng(0)
    drawn = {
        "normal": numbers.standard_normal((images, DIMENSIONS)),
        "exponential": numbers.exponential(size=(images, DIMENSIONS)) - 1,
    }[shape]
    differences = (mean * MEAN + std * STD * drawn).astype(np.float32)
    ids = [f"{number}" for number in range(images)]
    cosines = known_cosines(images, closer), known_cosines(images, other)
    return findings_of(compared(ids, differences, *cosines), training_variance=0.016)


def _outcomes(**known: object) -> list[str]:
    """Of regions by softmax, and of the gap: whole, mean, spread, shape."""
    found = [verdict.outcome for verdict in verdicts(_findings(**known))]  # type: ignore[arg-type]
    return [found[0], *found[2:]]


def test_the_known_gap_is_found() -> None:
    gap = _findings().gap
    assert gap.means == pytest.approx(MEAN, abs=4e-3)
    assert gap.variances == pytest.approx(STD**2, rel=0.15)
    assert gap.noise_variance == pytest.approx(np.mean(STD**2), rel=0.02)
    assert gap.noise_variance_about_zero == pytest.approx(np.mean(STD**2 + MEAN**2), rel=0.02)
    assert gap.std == pytest.approx(STD.mean(), rel=0.01)
    assert gap.mean_norm == pytest.approx(np.linalg.norm(MEAN), rel=0.01)
    assert gap.spread == pytest.approx(np.sqrt(np.sum(STD**2)), rel=0.01)
    assert gap.other_spread == pytest.approx(3 * gap.spread)
    assert gap.nonzero > 0.95
    assert gap.gaussian == 1.0


def test_without_a_gap_the_mean_is_what_chance_makes_it() -> None:
    gap = _findings(mean=0).gap
    assert gap.nonzero == pytest.approx(0.05, abs=0.06)
    assert gap.mean_fraction < 0.001


def test_the_known_closeness_is_found() -> None:
    finding = _findings(closer=0.62, other=0.25).regions["softmax"]
    assert finding.own.nearest_closer == pytest.approx(0.62)
    assert finding.own.rank_closer == pytest.approx([0, 0.62, 0, 0])
    assert finding.own.random_closer == pytest.approx(0.62 / 4)
    assert finding.own.global_cosine == pytest.approx(0.3)
    assert finding.own.rank_cosine == pytest.approx([0.1, 0.1 + 0.62 * 0.3, 0.1, 0.1], abs=0.01)
    assert finding.other is not None
    assert finding.other.nearest_closer == pytest.approx(0.25)
    assert finding.lead == pytest.approx((0, finding.own.nearest_cosine - finding.other.nearest_cosine))


def test_quantiles_of_a_gaussian_are_a_gaussians() -> None:
    findings = _findings()
    assert findings.quantiles[499] == pytest.approx(0, abs=0.05)
    assert findings.quantiles[974] == pytest.approx(1.96, abs=0.1)
    assert sum(findings.histogram) == min(KEPT, findings.counts["pairs"]) * DIMENSIONS


@pytest.mark.parametrize(
    ("known", "outcomes"),
    [
        ({}, ["holds"] * 5),
        ({"closer": 0.8, "other": 0.8}, ["holds in part", *["holds"] * 4]),
        ({"closer": 0.2}, ["does not hold", *["holds"] * 4]),
        ({"closer": 0.5}, ["cannot be told", *["holds"] * 4]),
        ({"mean": 0}, ["holds", "does not hold", "does not hold", "holds", "holds"]),
        ({"mean": 0.1}, ["holds", "does not hold", "does not hold", "holds", "holds"]),  # real, but tiny
        ({"std": 5, "mean": 5}, ["holds", "holds in part", "holds", "does not hold", "holds"]),
        ({"shape": "exponential"}, ["holds", "holds in part", "holds", "holds", "does not hold"]),
        ({"images": 60}, ["holds", "cannot be told", "holds", "holds", "cannot be told"]),
        ({"images": 20}, ["cannot be told"] * 5),
    ],
)
def test_verdicts_are_what_is_true(known: dict[str, object], outcomes: list[str]) -> None:
    assert _outcomes(**known) == outcomes


def test_verdicts_say_their_numbers() -> None:
    found = verdicts(_findings(closer=0.62))
    assert "In 62.0% of 4,000 pairs" in found[0].why
    assert "The model was trained with 0.016" in found[2].why
