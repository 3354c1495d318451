"""`index.html`: what an analysis found, in words, with its plots; one file that needs nothing else."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from html import escape

from pipeline.analyze.analysis import Analysis
from pipeline.analyze.findings import Findings
from pipeline.analyze.verdicts import RULES, Outcome, Verdict

PAGE_FILE = "index.html"
REGIONS_PLOT, GAP_PLOT, GAUSSIAN_PLOT = "regions.png", "gap.png", "gaussian.png"
PLOTS = (REGIONS_PLOT, GAP_PLOT, GAUSSIAN_PLOT)

_COLOURS: dict[Outcome, str] = {
    "holds": "#2f7d4f",
    "holds in part": "#b7791f",
    "does not hold": "#a82820",
    "cannot be told": "#808084",
}
_STYLE = """
body { background: #f2f1ee; color: #1c1c1e; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 24px auto; max-width: 1080px; padding: 0 16px; }
.verdict, figure, table { background: #fff; border-radius: 6px; margin: 12px 0; padding: 12px 16px; }
.verdict b { border-radius: 4px; color: #fff; font-size: 14px; margin-right: 8px; padding: 2px 8px; }
.verdict p { margin: 6px 0 0; } img { max-width: 100%; }
figcaption, .small { color: #606064; font-size: 14px; }
td, th { padding: 2px 16px 2px 0; text-align: left; } td + td { text-align: right; }
"""
_CAPTIONS = {
    REGIONS_PLOT: "Cosines of captions with the global feature, the nearest region and every region, "
    "for each way to gather a region; the same by rank of salience. Dotted and grey: captions of other "
    "images.",
    GAP_PLOT: "The difference of image and text feature: its mean in each dimension, the mean as a "
    "multiple of the standard deviation, and the variances with the noise they suggest and the noise of "
    "training.",
    GAUSSIAN_PLOT: "A sample of differences, each dimension standardised, as a histogram and as quantiles "
    "against the Gaussian's; and skewness and excess kurtosis of each dimension, of all pairs.",
}


def page(analysis: Analysis, pictures: Mapping[str, bytes]) -> str:
    """The page as HTML; `pictures` are the PNG files of PLOTS, which it carries in itself."""
    return "\n".join(_lines(analysis, pictures)) + "\n"


def _lines(analysis: Analysis, pictures: Mapping[str, bytes]) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f"<title>The two findings</title>\n<style>{_STYLE}</style>\n</head>\n<body>"
    yield "<h1>The two findings that MacCap rests on, measured here</h1>"
    yield f"<p>{escape(_subject(analysis))}</p>"
    regions = len(analysis.findings.regions)
    yield "<h2>1. Captions and regions</h2>"
    yield from map(_verdict, analysis.verdicts[:regions])
    yield _figure(REGIONS_PLOT, pictures)
    yield "<h2>2. The gap between images and texts</h2>"
    yield from map(_verdict, analysis.verdicts[regions:])
    yield _figure(GAP_PLOT, pictures)
    yield _figure(GAUSSIAN_PLOT, pictures)
    yield "<h2>What was counted</h2>"
    yield from _counts(analysis.findings)
    yield "<h2>By which rules</h2>"
    yield from (f'<p class="small">{escape(rule)}</p>' for rule in RULES)
    yield "</body>\n</html>"


def _subject(analysis: Analysis) -> str:
    counts = analysis.findings.counts
    field = f", in {', '.join(analysis.captions)}" if analysis.captions else ""
    return (
        f"{counts['images']:,} images with {counts['pairs']:,} captions{field}, of {analysis.source} "
        f"({analysis.taken_for}), seen by the CLIP of {analysis.model}."
    )


def _verdict(verdict: Verdict) -> str:
    mark = f'<b style="background: {_COLOURS[verdict.outcome]}">{verdict.outcome}</b>'
    return f'<div class="verdict">{mark}{escape(verdict.statement)}<p>{escape(verdict.why)}</p></div>'


def _figure(name: str, pictures: Mapping[str, bytes]) -> str:
    data = b64encode(pictures[name]).decode()
    words = escape(_CAPTIONS[name])
    image = f'<img alt="{words}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{words}</figcaption></figure>"


_COUNTED = {
    "rows": "samples read",
    "images": "images compared",
    "errors": "images that could not be read",
    "uncaptioned": "samples without a caption",
    "pairs": "pairs of an image and its caption",
    "other_pairs": "images with the caption of another",
}


def _counts(findings: Findings) -> Iterator[str]:
    rows = [(words, findings.counts[name]) for name, words in _COUNTED.items()]
    rows += [(f"captions dropped: {reason}", count) for reason, count in findings.dropped_captions.items()]
    cells = "".join(f"<tr><td>{escape(words)}</td><td>{count:,}</td></tr>" for words, count in rows)
    yield f"<table>{cells}</table>"
    if findings.errors:
        yield f'<p class="small">For instance {escape("; ".join(findings.errors[:5]))}</p>'
