"""`training.png`: how the loss, accuracy and learning rate went, and what the model writes now."""

import io
import textwrap
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.storage.folder import Folder
from pipeline.train.history import HeldOut, StepRecord

CHART_FILE = "training.png"
_POINTS = 400  # a curve of more is averaged
_TRAINING, _HELD_OUT = "#7a9cc6", "#c2410c"
_WRAP = 62  # characters of a sample


def draw(output: str, records: Sequence[StepRecord]) -> None:
    """Draw the run so far into OUTPUT."""
    evaluations = [(record.step, record.held_out) for record in records if record.held_out]
    samples = evaluations[-1][1].samples if evaluations else []
    rows = max(1, len(samples))
    figure = Figure(figsize=(13, 3.9 + 0.42 * rows), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[3.7, 0.2 + 0.42 * rows])
    top, bottom = parts
    loss, accuracy, rate = top.subplots(1, 3)
    steps = np.array([record.step for record in records])
    _curve(loss, steps, np.array([record.loss for record in records]))
    _curve(accuracy, steps, np.array([record.accuracy for record in records]))
    rate.plot(*_averaged(steps, np.array([record.learning_rate for record in records])), color="grey")
    if evaluations:
        at = [step for step, _ in evaluations]
        loss.plot(at, [e.loss for _, e in evaluations], "o-", color=_HELD_OUT, label="held out")
        accuracy.plot(at, [e.accuracy for _, e in evaluations], "o-", color=_HELD_OUT, label="held out")
    _name(loss, "loss (nats per text token)")
    _name(accuracy, "token accuracy")
    _name(rate, "learning rate")
    loss.legend(frameon=False)
    if evaluations:
        _write_samples(bottom.subplots(), *evaluations[-1])
    file = io.BytesIO()
    with warnings.catch_warnings():  # of characters the font lacks
        warnings.simplefilter("ignore")
        figure.savefig(file, format="png", dpi=100)
    Folder(output).write(CHART_FILE, file.getvalue())


def _curve(axes: Axes, steps: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    axes.plot(*_averaged(steps, values), color=_TRAINING, label="training")


def _averaged(
    steps: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most `_POINTS` means of neighbouring steps."""
    parts = min(len(steps), _POINTS)
    means = [
        (part.mean(), of.mean())
        for part, of in zip(np.array_split(steps, parts), np.array_split(values, parts), strict=True)
    ]
    at, mean = np.array(means).T
    return at, mean


def _name(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("step")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(bottom=0)


def _write_samples(axes: Axes, step: int, evaluation: HeldOut) -> None:
    axes.axis("off")
    lines = [("held out", f"written back after step {step:,}")]
    lines += [(sample.caption, sample.written) for sample in evaluation.samples]
    for number, (caption, written) in enumerate(lines):
        at = 1 - number / len(lines)
        style: dict[str, Any] = {
            "va": "top",
            "fontsize": 9.5,
            "parse_math": False,
            "transform": axes.transAxes,
        }
        weight = "bold" if number == 0 else "normal"
        colour = "black" if number == 0 or caption == written else _HELD_OUT
        axes.text(0.02, at, _short(caption), weight=weight, **style)
        axes.text(0.52, at, _short(written), weight=weight, color=colour, **style)


def _short(text: str) -> str:
    return "\n".join(textwrap.wrap(text, _WRAP, max_lines=2, placeholder=" ...")) or "-"
