"""The numbers of an analysis: what `analysis.json` holds, computed from the statistics alone."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from maccap.config import Config
from pipeline.analyze.closeness import EDGES, Closeness
from pipeline.analyze.moments import Moments
from pipeline.analyze.statistics import Statistics

MAX_SKEWNESS, MAX_KURTOSIS = 0.5, 1.0
"""A dimension is nearly Gaussian where skewness and excess kurtosis are no further from 0: rules of thumb."""


class PairSet(Config):
    """How close captions are to regions and to the whole, over all pairs of one kind. Lists are by rank of
    salience, the most salient region first.
    """

    pairs: int
    nearest_closer: float  # fraction of pairs whose nearest region is closer than the global feature
    read_closer: float  # the same of what the adaptor reads, norm(global + region), in place of regions
    random_closer: float  # of pairs and regions, so for a region drawn at random
    rank_closer: list[float]
    nearest_rank: list[float]  # fraction of pairs whose nearest region has this rank
    global_cosine: float  # means
    nearest_cosine: float
    rank_cosine: list[float]
    histograms: dict[str, list[int]]  # of cosines, by what they are of; edges in `Findings.edges`


class RegionFinding(Config):
    """Of one weighting: pairs of an image and its caption, and of an image and another's caption."""

    own: PairSet
    other: PairSet | None

    @property
    def lead(self) -> tuple[float, float] | None:
        """By how much a mean cosine with an own caption is above that with another's: of the global feature,
        of the nearest region.
        """
        if self.other is None:
            return None
        return (
            self.own.global_cosine - self.other.global_cosine,
            self.own.nearest_cosine - self.other.nearest_cosine,
        )


class GapFinding(Config):
    """The difference of image and text feature, both of unit length D; lists are by dimension."""

    mean_norm: float  # length of the mean difference, less what chance adds to it
    mean_fraction: float  # of the mean squared length of the differences, what their mean makes
    spread: float  # root of the sum of all variances: how far a difference lies from the mean one
    other_spread: float | None  # the same for captions of other images
    nonzero: float  # fraction of dimensions whose mean is over 2 standard errors from 0; chance alone: 0.05
    mean_over_std: float  # median of |mean| / std
    std: float  # mean of the standard deviations
    gaussian: float  # fraction of dimensions that are nearly Gaussian
    skewness: float  # medians of absolute values
    excess_kurtosis: float
    noise_variance: float  # that the differences suggest: mean of the variances
    noise_variance_about_zero: float  # mean square instead: with the mean difference as part of the noise
    training_variance: float  # the model's own
    means: list[float]
    variances: list[float]
    skewnesses: list[float]
    excess_kurtoses: list[float]


class Findings(Config):
    """All numbers of an analysis; `regions` by weighting."""

    counts: dict[str, int]
    dropped_captions: dict[str, int]
    errors: list[str]
    regions: dict[str, RegionFinding]
    gap: GapFinding
    edges: list[float]  # of the histograms of cosines
    quantiles: list[float]  # at QUANTILES, of the standardised differences of a sample of pairs
    histogram: list[int]  # of the same, between STANDARD_EDGES


QUANTILES = np.linspace(0.001, 0.999, 999)
STANDARD_EDGES = np.linspace(-5, 5, 101)


def findings_of(statistics: Statistics, training_variance: float) -> Findings:
    """`training_variance` is what the model's adaptor was trained with."""
    values = _standardised(statistics)
    counts = {name: int(count) for name, count in sorted(statistics.counts.items())}
    return Findings(
        counts=counts,
        dropped_captions=dict(sorted(statistics.dropped.items())),
        errors=list(statistics.errors),
        regions=_regions(statistics.closeness, statistics.other_closeness),
        gap=_gap(statistics.gap, statistics.other_gap, counts["images"], training_variance),
        edges=EDGES.round(4).tolist(),
        quantiles=np.quantile(values, QUANTILES).tolist() if len(values) else [],
        histogram=np.histogram(values, STANDARD_EDGES)[0].tolist(),
    )


def _standardised(statistics: Statistics) -> NDArray[np.float64]:
    """The sampled differences, each dimension less its mean and over its standard deviation, all in one row;
    dimensions that do not vary are left out.
    """
    varies = statistics.gap.std > 0
    away = statistics.sample.values.astype(np.float64) - statistics.gap.mean
    return (away[:, varies] / statistics.gap.std[varies]).ravel()


def _regions(own: Mapping[str, Closeness], other: Mapping[str, Closeness]) -> dict[str, RegionFinding]:
    return {
        name: RegionFinding(own=_pairs(part), other=_pairs(other[name]) if other[name].pairs else None)
        for name, part in own.items()
    }


def _pairs(part: Closeness) -> PairSet:
    pairs = part.pairs
    means = (part.cosines / pairs).tolist()
    return PairSet(
        pairs=pairs,
        nearest_closer=part.nearest / pairs,
        read_closer=part.read / pairs,
        random_closer=float(part.ranks.mean()) / pairs,
        rank_closer=(part.ranks / pairs).tolist(),
        nearest_rank=(part.best / pairs).tolist(),
        global_cosine=means[0],
        nearest_cosine=means[1],
        rank_cosine=means[2:],
        histograms=dict(
            zip(("global", "nearest region", "random region"), part.histograms.tolist(), strict=True)
        ),
    )


def _gap(gap: Moments, other: Moments, images: int, training_variance: float) -> GapFinding:
    """Standard errors are of as many independent differences as there are images: captions of one image are
    no independent ones.
    """
    total = float(gap.variance.sum())
    mean_square = max(0.0, float(np.sum(gap.mean**2)) - total / images)
    varying = gap.std > 0
    over = np.abs(gap.mean[varying]) / gap.std[varying]
    skewness, kurtosis = np.abs(gap.skewness), np.abs(gap.excess_kurtosis)
    return GapFinding(
        mean_norm=float(np.sqrt(mean_square)),
        mean_fraction=mean_square / (mean_square + total) if total else 1.0,
        spread=float(np.sqrt(total)),
        other_spread=float(np.sqrt(other.variance.sum())) if other.count > 1 else None,
        nonzero=float(np.mean(np.abs(gap.mean) > 2 * gap.std / np.sqrt(images))),
        mean_over_std=float(np.median(over)) if len(over) else 0.0,
        std=float(gap.std.mean()),
        gaussian=float(np.mean((skewness <= MAX_SKEWNESS) & (kurtosis <= MAX_KURTOSIS))),
        skewness=float(np.median(skewness)),
        excess_kurtosis=float(np.median(kurtosis)),
        noise_variance=float(gap.variance.mean()),
        noise_variance_about_zero=float((gap.mean**2 + gap.variance).mean()),
        training_variance=training_variance,
        means=gap.mean.tolist(),
        variances=gap.variance.tolist(),
        skewnesses=gap.skewness.tolist(),
        excess_kurtoses=gap.excess_kurtosis.tolist(),
    )
