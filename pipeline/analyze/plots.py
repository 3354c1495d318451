"""The plots of an analysis, from its numbers."""

import io
from statistics import NormalDist

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.analyze.findings import MAX_KURTOSIS, MAX_SKEWNESS, QUANTILES, STANDARD_EDGES, Findings, PairSet
from pipeline.analyze.page import GAP_PLOT, GAUSSIAN_PLOT, REGIONS_PLOT

_OWN, _OTHER, _MARK = "#c2410c", "#9ca3af", "#1c1c1e"
_KINDS = {"global": "#1c1c1e", "random region": "#7a9cc6", "nearest region": "#c2410c"}
_NORMAL = NormalDist()


def draw(findings: Findings) -> dict[str, bytes]:
    """PNG files by name."""
    return {
        REGIONS_PLOT: _png(_regions(findings)),
        GAP_PLOT: _png(_gap(findings)),
        GAUSSIAN_PLOT: _png(_gaussian(findings)),
    }


def _regions(findings: Findings) -> Figure:
    """A row for each weighting: cosines, how often each rank is closer, and its mean cosine."""
    figure = Figure(figsize=(13, 3.7 * len(findings.regions)), layout="constrained")
    rows = figure.subplots(len(findings.regions), 3, squeeze=False)
    for (cosines, closer, means), (weighting, finding) in zip(rows, findings.regions.items(), strict=True):
        _cosines(cosines, np.array(findings.edges), finding.own, finding.other)
        _titled(cosines, f"cosine with the caption, regions by {weighting}", "cosine")
        _by_rank(closer, finding.own.rank_closer, finding.own.nearest_closer, _OWN, "own caption")
        _by_rank(means, finding.own.rank_cosine, finding.own.nearest_cosine, _OWN, "own caption")
        means.axhline(finding.own.global_cosine, color=_OWN, linestyle="--")
        means.plot([], [], "--", color=_MARK, label="global feature")
        if finding.other:
            _by_rank(
                closer, finding.other.rank_closer, finding.other.nearest_closer, _OTHER, "another's caption"
            )
            _by_rank(
                means, finding.other.rank_cosine, finding.other.nearest_cosine, _OTHER, "another's caption"
            )
            means.axhline(finding.other.global_cosine, color=_OTHER, linestyle="--")
        closer.axhline(0.5, color=_MARK, linewidth=0.8)
        closer.set_ylim(0, 1.02)
        _leave_room(means)
        _titled(closer, "fraction of pairs whose region is closer than global", _RANK)
        _titled(means, "mean cosine", _RANK)
    return figure


_RANK = "region, by rank of salience"


def _cosines(axes: Axes, edges: NDArray[np.float64], own: PairSet, other: PairSet | None) -> None:
    """Densities of own captions filled, of others' as lines, in bins joined by four."""
    joined = edges[::4]
    for kind, colour in _KINDS.items():
        axes.stairs(_density(own, kind), joined, color=colour, fill=True, alpha=0.45, label=kind)
        if other:
            axes.stairs(_density(other, kind), joined, color=colour, linestyle=":", linewidth=1.2)
    if other:
        axes.plot([], [], ":", color=_MARK, label="another's caption")
    filled = [
        np.flatnonzero(counts) for pairs in (own, other) if pairs for counts in pairs.histograms.values()
    ]
    low, high = min(place[0] for place in filled), max(place[-1] for place in filled)
    axes.set_xlim(edges[low] - 0.02, edges[high + 1] + 0.02)
    axes.set_yticks([])


def _density(pairs: PairSet, kind: str) -> NDArray[np.float64]:
    counts = np.array(pairs.histograms[kind], float).reshape(-1, 4).sum(axis=1)
    return counts / counts.sum()


def _by_rank(axes: Axes, ranks: list[float], nearest: float, colour: str, label: str) -> None:
    axes.plot(np.arange(1, len(ranks) + 1), ranks, "o-", color=colour, label=label)
    last = len(ranks)
    axes.plot([last + 1.5], [nearest], "D", color=colour)
    ticks = {1.0: "1", float(last): str(last), last + 1.5: "nearest"}
    axes.set_xticks(list(ticks), list(ticks.values()))


def _gap(findings: Findings) -> Figure:
    """The mean difference and its spread, |mean| / std, and the variances with the two noises."""
    gap = findings.gap
    means, variances = np.array(gap.means), np.array(gap.variances)
    figure = Figure(figsize=(13, 3.7), layout="constrained")
    sorted_axes, ratio, variance = figure.subplots(1, 3)
    order = np.argsort(means)
    places, std = np.arange(len(means)), np.sqrt(variances)
    sorted_axes.fill_between(
        places,
        (means - std)[order],
        (means + std)[order],
        color=_KINDS["random region"],
        alpha=0.5,
        label="± std",
    )
    sorted_axes.plot(places, means[order], color=_OWN, label="mean")
    sorted_axes.axhline(0, color=_MARK, linewidth=0.8)
    _titled(sorted_axes, "image less text, by dimension", "dimensions, by their mean")
    varying = std > 0
    ratio.hist(np.abs(means[varying]) / std[varying], bins=40, color=_KINDS["random region"])
    ratio.axvline(gap.mean_over_std, color=_OWN, label=f"median {gap.mean_over_std:.2f}")
    _titled(ratio, "|mean| / standard deviation", "")
    ratio.set_ylabel("dimensions")
    variance.plot(places, np.sort(variances), color=_KINDS["random region"], label="of the difference")
    variance.axhline(gap.noise_variance, color=_OWN, label=f"mean, as noise: {gap.noise_variance:.2g}")
    variance.axhline(
        gap.training_variance,
        color=_MARK,
        linestyle="--",
        label=f"training noise: {gap.training_variance:.2g}",
    )
    if varying.any() and gap.training_variance:
        variance.set_yscale("log")
    _titled(variance, "variance by dimension", "dimensions, by their variance")
    return figure


def _gaussian(findings: Findings) -> Figure:
    """Standardised differences beside the normal distribution, and the shape of each dimension."""
    gap = findings.gap
    figure = Figure(figsize=(13, 3.9), layout="constrained")
    density, against, shape = figure.subplots(1, 3)
    counts, width = np.array(findings.histogram), STANDARD_EDGES[1] - STANDARD_EDGES[0]
    if counts.sum():
        density.stairs(
            counts / counts.sum() / width,
            STANDARD_EDGES,
            fill=True,
            color=_KINDS["random region"],
            label="found",
        )
    at = np.linspace(-5, 5, 201)
    density.plot(at, [_NORMAL.pdf(x) for x in at], color=_OWN, label="Gaussian")
    _titled(density, "standardised differences", "standard deviations from the mean")
    density.set_yticks([])
    normal = [_NORMAL.inv_cdf(fraction) for fraction in QUANTILES]
    if findings.quantiles:
        against.plot(
            normal, findings.quantiles, ".", markersize=3, color=_KINDS["random region"], label="found"
        )
    against.plot([-3.3, 3.3], [-3.3, 3.3], color=_OWN, label="Gaussian")
    _titled(against, "quantiles against the Gaussian's", "Gaussian")
    shape.plot(
        gap.skewnesses,
        gap.excess_kurtoses,
        ".",
        markersize=4,
        color=_KINDS["random region"],
        label="dimensions",
    )
    box = [(x * MAX_SKEWNESS, y * MAX_KURTOSIS) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))]
    shape.plot(*np.array(box).T, color=_OWN, label=f"nearly Gaussian: {gap.gaussian:.0%}")
    shape.set_ylabel("excess kurtosis")
    _leave_room(shape)
    _titled(shape, "shape of each dimension", "skewness")
    return figure


def _leave_room(axes: Axes) -> None:
    """For the legend, above what is drawn."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.4 * (high - low))


def _titled(axes: Axes, title: str, below: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(below)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()
