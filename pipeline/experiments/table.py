"""This run's scores beside published ones: in percent, as text, Markdown and data."""

from collections.abc import Iterator, Sequence

from maccap.config import Config
from pipeline.evaluate.result import Evaluation, Score
from pipeline.experiments.published import PUBLISHED
from pipeline.experiments.registry import Column, Experiment

_PERCENT = 100
_THIS_RUN = "this run"
_TOO_FEW = "too few images or questions of this kind were scored"


class Row(Config):
    """A method's scores by column; those that are not known are left out."""

    method: str
    scores: dict[str, Score]
    source: str


class Results(Config):
    """What an experiment found; `results.json`. `changes` are the settings that are not the authors'."""

    experiment: str
    trained_on: str
    benchmark: str
    images: int
    without_caption: int
    changes: list[str]
    columns: list[str]
    rows: list[Row]
    not_computed: dict[str, str]
    remarks: list[str]


def results(experiment: Experiment, evaluation: Evaluation, changes: Sequence[str]) -> Results:
    """The run's row, and below it those of `published.py`."""
    columns = experiment.benchmark.columns
    own = {column.title: score for column in columns if (score := _score(evaluation, column)) is not None}
    published = [
        Row(
            method=row.method,
            scores={title: Score(value=value) for title, value in row.scores.items()},
            source=row.source,
        )
        for row in PUBLISHED[experiment.name]
    ]
    return Results(
        experiment=experiment.name,
        trained_on=experiment.texts.file.name,
        benchmark=experiment.benchmark.title,
        images=evaluation.images,
        without_caption=evaluation.without_caption,
        changes=list(changes),
        columns=[column.title for column in columns],
        rows=[Row(method=_THIS_RUN, scores=own, source=evaluation.run), *published],
        not_computed=evaluation.not_computed | dict.fromkeys(_without_images(evaluation, columns), _TOO_FEW),
        remarks=evaluation.remarks,
    )


def written(found: Results) -> dict[str, str]:
    """The files of the results, by name."""
    return {
        "results.txt": as_text(found) + "\n",
        "results.md": as_markdown(found) + "\n",
        "results.json": found.model_dump_json(indent=1) + "\n",
    }


def as_text(found: Results) -> str:
    """For a terminal."""
    table = list(_cells(found))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if place in (0, len(row) - 1) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    return "\n".join([_title(found), "", *lines, "", *_notes(found)]).rstrip()


def as_markdown(found: Results) -> str:
    """For a page."""
    head, *rows = _cells(found)
    rule = ["---", *("---:" for _ in found.columns), "---"]
    lines = [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]
    notes = [f"- {note}" for note in _notes(found)]
    return "\n".join([f"## {_title(found)}", "", *lines, "", *notes]).rstrip()


def _title(found: Results) -> str:
    return f"{found.experiment}: trained on {found.trained_on}, {found.benchmark}, {found.images:,} images"


def _cells(found: Results) -> Iterator[list[str]]:
    yield ["method", *found.columns, "source"]
    for row in found.rows:
        yield [row.method, *(_cell(row.scores.get(title)) for title in found.columns), row.source]


def _cell(score: Score | None) -> str:
    if score is None or score.value is None:
        return ""
    between = "" if score.low is None or score.high is None else f" ({score.low:.1f} to {score.high:.1f})"
    return f"{score.value:.1f}{between}"


def _notes(found: Results) -> Iterator[str]:
    yield from (f"Not the authors' setting: {change}." for change in found.changes)
    if found.without_caption:
        yield f"Images without a caption, scored as empty: {found.without_caption:,}."
    for reason in dict.fromkeys(found.not_computed.values()):
        names = ", ".join(name for name, why in found.not_computed.items() if why == reason)
        yield f"Not computed: {names}: {reason}."
    yield from (f"{remark}." for remark in found.remarks)
    if any(score.low is not None for score in found.rows[0].scores.values()):
        yield "In brackets: 95 % intervals over the images."


def _without_images(evaluation: Evaluation, columns: Sequence[Column]) -> list[str]:
    """Columns of a part of the benchmark that the run, of its first images perhaps, has too few images of."""
    return [
        column.title
        for column in columns
        if column.score not in evaluation.not_computed and _score(evaluation, column) is None
    ]


def _score(evaluation: Evaluation, column: Column) -> Score | None:
    """In percent."""
    scores = evaluation.scores
    if column.group is not None:
        group = evaluation.groups.get(column.group)
        scores = group.scores if group else {}
    score = scores.get(column.score)
    if score is None:
        return None
    numbers = {name: value for name, value in score.model_dump().items() if value is not None}
    return Score(**{"value": None, **{name: value * _PERCENT for name, value in numbers.items()}})
