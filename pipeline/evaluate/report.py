"""An evaluation as a person reads it."""

from collections.abc import Iterator, Sequence

from pipeline.evaluate.join_references import Joined
from pipeline.evaluate.result import Evaluation, RunResult, Score
from pipeline.evaluate.scenes import scenes_table
from pipeline.storage.redact import shown

_COUNTS = ("vocabulary",)
_NARROWEST = 26  # of the names, in characters
_FEW = 30  # images of which an interval says little


def join_lines(run: str, joined: Joined) -> Iterator[str]:
    """How references met the rows, with examples of those that did not."""
    how = "brought by the samples" if joined.rule is None else f"joined by `{joined.rule}` (--join-on)"
    yield f"{shown(run)}: {joined.images:,} images with references, {how}"
    if joined.rows_without_references:
        yield f"  {joined.rows_without_references:,} rows have none and are not scored, such as " + ", ".join(
            joined.row_examples
        )
    if joined.unreadable_records:
        yield f"  {joined.unreadable_records:,} records of the references have no image or no caption"
    if joined.images_without_row:
        yield (
            f"  {joined.images_without_row:,} images of the references are not in the run, such as "
            + ", ".join(joined.image_examples)
        )


def report(evaluation: Evaluation) -> str:
    """Tables of scores, of groups and of differences, and what has to be known of them."""
    runs: list[RunResult] = [evaluation, *evaluation.compared]
    parts = ["\n".join(_heads(runs)), "\n".join(_scores(runs))]
    parts += ["\n".join(_groups(run)) for run in runs if run.groups]
    parts += [scenes_table(run.scenes) for run in runs if run.scenes]
    parts.append("\n".join(_remarks(runs, evaluation)))
    return "\n\n".join(part for part in parts if part)


def _heads(runs: Sequence[RunResult]) -> Iterator[str]:
    """Each run has a letter where there are several."""
    for letter, run in zip(_letters(runs), runs, strict=True):
        empty = f", {run.without_caption:,} without a caption, scored as empty" if run.without_caption else ""
        yield f"{letter}{' ' if letter else ''}{shown(run.run)}: {run.images:,} images{empty}"


def _scores(runs: Sequence[RunResult]) -> Iterator[str]:
    names = list(dict.fromkeys(name for run in runs for name in run.scores))
    letters = _letters(runs)
    heads = [f"{letter or 'score':>8}{'95 % interval':>22}" for letter in letters]
    heads += [f"{letter + ' - ' + letters[0]:>9}{'95 % interval':>22}" for letter in letters[1:]]
    width = max([_NARROWEST, *(len(name) + 2 for name in names)])
    yield f"{'':{width}}{''.join(heads)}"
    for name in names:
        cells = [_cell(name, run.scores.get(name), 8) for run in runs]
        cells += [_cell(name, (run.difference or {}).get(name), 9, signed=True) for run in runs[1:]]
        yield f"{name:{width}}{''.join(cells)}".rstrip()


def _groups(run: RunResult) -> Iterator[str]:
    """A column for each group."""
    yield f"{shown(run.run):{_NARROWEST}}" + "".join(f"{name:>16}" for name in run.groups)
    yield f"{'images':{_NARROWEST}}" + "".join(f"{group.images:>16,}" for group in run.groups.values())
    for name in dict.fromkeys(name for group in run.groups.values() for name in group.scores):
        found = (group.scores.get(name) for group in run.groups.values())
        values = (None if score is None else score.value for score in found)
        yield f"{name:{_NARROWEST}}" + "".join(f"{_number(name, value):>16}" for value in values)


def _remarks(runs: Sequence[RunResult], evaluation: Evaluation) -> Iterator[str]:
    """Each once, whichever runs it is of."""
    reasons = dict.fromkeys((reason, name) for run in runs for name, reason in run.not_computed.items())
    for reason in dict.fromkeys(reason for reason, _ in reasons):
        names = ", ".join(name for why, name in reasons if why == reason)
        yield f"not computed: {names}: {reason}."
    yield from dict.fromkeys(f"{remark}." for run in runs for remark in run.remarks)
    if any(score.low is not None for score in evaluation.scores.values()):
        summed = any(name.startswith(("BLEU", "METEOR")) for name in evaluation.scores)
        yield (
            f"Intervals: {evaluation.bootstrap_samples:,} bootstrap samples of the images, seed "
            f"{evaluation.seed}; "
            + ("BLEU and METEOR from their summed statistics, others " if summed else "")
            + "from values per image."
            + (f" Of {evaluation.images:,} images alone they say little." * (evaluation.images < _FEW))
        )


def _letters(runs: Sequence[RunResult]) -> list[str]:
    return [chr(ord("A") + place) for place in range(len(runs))] if len(runs) > 1 else [""]


def _cell(name: str, score: Score | None, width: int, signed: bool = False) -> str:
    if score is None:
        return f"{'-':>{width}}{'':22}"
    between = ""
    if score.low is not None and score.high is not None:
        between = f"{_number(name, score.low, signed)} to {_number(name, score.high, signed)}"
    return f"{_number(name, score.value, signed):>{width}}{between:>22}"


def _number(name: str, value: float | None, signed: bool = False) -> str:
    if value is None:
        return "-"
    if name in _COUNTS:
        return f"{value:,.0f}"
    return f"{value:+.4f}" if signed else f"{value:.4f}"
