"""What the numbers say of each finding, by rules that are the same for every archive."""

from collections.abc import Iterator
from math import hypot, sqrt
from typing import Literal

from maccap.config import Config
from pipeline.analyze.findings import MAX_KURTOSIS, MAX_SKEWNESS, Findings, GapFinding, RegionFinding

Outcome = Literal["holds", "holds in part", "does not hold", "cannot be told"]

FEWEST_IMAGES = 30  # for fractions and means
FEWEST_FOR_SHAPE = 100  # for skewness and kurtosis
MEAN_FRACTION = 0.1  # of the mean squared difference: less is no gap worth the name
SPREAD = 1.0  # the length of a feature

RULES = (
    "Regions: holds where the nearest region is closer to the caption than the global feature in more than "
    "half of the pairs, and in more than with captions of other images, which have as many regions to be "
    "near to. Holds in part where the second fails: regions then lie closer to captions in general. Each "
    "comparison asks for two standard errors, of as many independent pairs as there are images.",
    f"Gap: a nonzero mean, at least {MEAN_FRACTION:.0%} of the mean squared difference, whatever its "
    "standard error (which must be below half of it in more than half of the dimensions, or nothing is "
    f"said); a small standard deviation, a spread (root of the sum of all variances) below {SPREAD:g}, the "
    "length of a feature; and dimensions that are nearly Gaussian, medians of |skewness| up to "
    f"{MAX_SKEWNESS:g} and of |excess kurtosis| up to {MAX_KURTOSIS:g}. Holds where all three do, does not "
    "hold without a nonzero mean, holds in part otherwise.",
    f"With fewer than {FEWEST_IMAGES} images nothing is said, with fewer than {FEWEST_FOR_SHAPE} nothing of "
    "the shape.",
)


class Verdict(Config):
    """One statement, whether it holds, and why, in sentences."""

    statement: str
    outcome: Outcome
    why: str


def verdicts(findings: Findings) -> list[Verdict]:
    """One for each weighting of regions, then those of the gap: the whole, and its three parts."""
    images = findings.counts["images"]
    regions = [_regions(name, finding, images) for name, finding in findings.regions.items()]
    return [*regions, *_gap(findings.gap, images)]


def _regions(weighting: str, finding: RegionFinding, images: int) -> Verdict:
    own, other = finding.own, finding.other
    told = (
        f"In {own.nearest_closer:.1%} of {own.pairs:,} pairs of an image and its caption the nearest of "
        f"{len(own.rank_closer)} regions is closer to the caption than the global feature; a region drawn at "
        f"random is in {own.random_closer:.1%}, and the nearest of what the adaptor reads, global + region, "
        f"in {own.read_closer:.1%}. The mean cosine is {own.global_cosine:.3f} for the global "
        f"feature and {own.nearest_cosine:.3f} for the nearest region."
    )
    if other is not None and (lead := finding.lead) is not None:
        better = "the nearest region" if lead[1] > lead[0] else "the global feature"
        told += (
            f" With the caption of another image the nearest region is closer in {other.nearest_closer:.1%}. "
            f"An own caption's cosine is above another's by {lead[0]:.3f} for the global feature and by "
            f"{lead[1]:.3f} for the nearest region: {better} tells captions apart better."
        )
    outcome, remark = _closer(own.nearest_closer, other.nearest_closer if other else None, images)
    statement = f"A caption is closer to a region than to the whole image (regions by {weighting})"
    return Verdict(statement=statement, outcome=outcome, why=f"{told} {remark}".strip())


def _closer(own: float, other: float | None, images: int) -> tuple[Outcome, str]:
    """Of the fractions of pairs whose nearest region is closer; with a remark where that says more."""
    error = _error(own, images)
    if images < FEWEST_IMAGES:
        return "cannot be told", f"{images} images are too few."
    if own + 2 * error < 0.5:
        return "does not hold", ""
    if own - 2 * error <= 0.5:
        return "cannot be told", f"That is too near to half for {images:,} images."
    if other is None:
        return "holds in part", "There are no captions of other images to compare with."
    if own - other <= 2 * hypot(error, _error(other, images)):
        return "holds in part", "So regions are closer to captions in general, not to what they show."
    return "holds", ""


def _gap(gap: GapFinding, images: int) -> Iterator[Verdict]:
    parts = [_mean(gap), _spread(gap), _shape(gap, images)]
    if images < FEWEST_IMAGES:
        few = {"outcome": "cannot be told"}
        parts = [
            part.model_copy(update={**few, "why": f"{part.why} {images} images are too few."})
            for part in parts
        ]
    outcomes = [part.outcome for part in parts]
    whole: Outcome = "holds in part"
    if outcomes[0] == "does not hold":
        whole = "does not hold"
    elif {*outcomes} <= {"holds", "cannot be told"}:
        whole = "holds" if {*outcomes} == {"holds"} else "cannot be told"
    times = f", {gap.training_variance / gap.noise_variance:.2g} times as much" if gap.noise_variance else ""
    yield Verdict(
        statement="Image less text is nearly a Gaussian with a small standard deviation and a nonzero mean",
        outcome=whole,
        why="The variance of noise that the differences suggest, the mean of their variances by dimension, "
        f"is {gap.noise_variance:.2g}. The model was trained with {gap.training_variance:.2g}"
        f"{times}. Noise without a mean that is to reach as far as the differences do, "
        f"their mean included, needs {gap.noise_variance_about_zero:.2g}.",
    )
    yield from parts


def _mean(gap: GapFinding) -> Verdict:
    outcome: Outcome = "does not hold"
    if gap.mean_fraction >= MEAN_FRACTION:
        outcome = "holds" if gap.nonzero > 0.5 else "cannot be told"
    return Verdict(
        statement="Its mean is not zero: there is a gap between images and texts",
        outcome=outcome,
        why=f"In {gap.nonzero:.1%} of the dimensions the mean is over two standard errors from zero (by "
        f"chance: 5%); the median of |mean| / standard deviation is {gap.mean_over_std:.2f}. The mean "
        f"difference has the length {gap.mean_norm:.3f}, and makes {gap.mean_fraction:.1%} of the mean "
        "squared difference.",
    )


def _spread(gap: GapFinding) -> Verdict:
    beside = ""
    if gap.other_spread is not None:
        beside = f", and {gap.other_spread:.3f} with captions of other images"
    return Verdict(
        statement="Its standard deviation is small",
        outcome="holds" if gap.spread < SPREAD else "does not hold",
        why=f"The standard deviation is {gap.std:.4f} in the mean of {len(gap.means)} dimensions; the spread "
        f"over all of them is {gap.spread:.3f}{beside}. Features have the length 1.",
    )


def _shape(gap: GapFinding, images: int) -> Verdict:
    outcome: Outcome = "does not hold"
    if images < FEWEST_FOR_SHAPE:
        outcome = "cannot be told"
    elif gap.skewness <= MAX_SKEWNESS and gap.excess_kurtosis <= MAX_KURTOSIS:
        outcome = "holds"
    return Verdict(
        statement="Each dimension is nearly Gaussian",
        outcome=outcome,
        why=f"The median of |skewness| is {gap.skewness:.2f}, of |excess kurtosis| "
        f"{gap.excess_kurtosis:.2f}; {gap.gaussian:.1%} of the dimensions are nearly Gaussian by both.",
    )


def _error(fraction: float, images: int) -> float:
    """Standard error of a fraction (Agresti and Coull: two more of each kind)."""
    with_more = (fraction * images + 2) / (images + 4)
    return sqrt(with_more * (1 - with_more) / (images + 4))
