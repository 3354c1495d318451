"""What `maccap evaluate --output FILE` found, as tables of the page."""

from collections.abc import Iterator, Mapping

from maccap.scenes.evaluation.score import Scores
from pipeline.evaluate.result import Evaluation, RunResult, Score
from pipeline.report.blocks import Block, Cell, Section, Table
from pipeline.storage.errors import UserError
from pipeline.storage.files import locate, read_bytes
from pipeline.storage.folder import Folder
from pipeline.storage.redact import describe, shown

EVALUATION_FILE = "evaluation.json"


def find_evaluation(run: Folder, file: str | None) -> Evaluation | None:
    """Of `file`, or in the run's folder; None where that has none. Raises UserError for other files."""
    place = file or f"{run.url}/{EVALUATION_FILE}"
    try:
        raw = read_bytes(*locate(file)) if file else run.read(EVALUATION_FILE)
        return None if raw is None else Evaluation.model_validate_json(raw)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{shown(place)} is not what `maccap evaluate --output` writes ({describe(error)}). "
            "Name another with --evaluation, or remove it."
        ) from None


def evaluation_section(evaluation: Evaluation) -> Section:
    """Scores with their intervals, of the run and those compared with it; by group; and of scenes."""
    runs: list[RunResult] = [evaluation, *evaluation.compared]
    blocks = [block for run in runs for block in _of_run(run, evaluation)]
    references = evaluation.references and f" against {shown(evaluation.references)}"
    return Section(
        "evaluation",
        "Evaluation",
        f"By maccap evaluate{references or ''}: {evaluation.images:,} images, "
        f"{evaluation.without_caption:,} without a caption.",
        blocks,
    )


def _of_run(run: RunResult, evaluation: Evaluation) -> Iterator[Block]:
    compared = run is not evaluation
    head = ["metric", "score", "95 % interval"]
    rows = [[name, *_score(score)] for name, score in run.scores.items()]
    if compared and run.difference is not None:
        head += ["difference", "95 % interval"]
        rows = [[*row, *_score(run.difference.get(str(row[0])))] for row in rows]
    remarks = [*run.remarks, *(f"{name} was not computed: {why}" for name, why in run.not_computed.items())]
    about = " ".join(f"{remark.rstrip('.')}." for remark in remarks)
    if rows:
        yield Table(f"Scores of {_name(run.run)}" if evaluation.compared else "Scores", about, head, rows)
    if run.groups:
        names = list(dict.fromkeys(name for group in run.groups.values() for name in group.scores))
        yield Table(
            "By group",
            "",
            ("group", "images", *names),
            [
                (label, group.images, *(_score(group.scores.get(name))[0] for name in names))
                for label, group in run.groups.items()
            ],
        )
    for chosen, groups in (run.scenes or {}).items():
        yield _scenes(chosen, groups)


def _scenes(chosen: str, groups: Mapping[str, Scores]) -> Table:
    return Table(
        f"What the scenes show: {chosen}",
        "Fractions of 1, and CIDEr-D from 0 to 10.",
        ("group", "scenes", *Scores.SHOWN),
        [(group, scores.captions, *scores.shown()) for group, scores in groups.items()],
    )


def _score(score: Score | None) -> list[Cell]:
    """The value and its interval."""
    if score is None or score.value is None:
        return ["–", ""]
    if score.low is None or score.high is None:
        return [_number(score.value), ""]
    return [_number(score.value), f"{_number(score.low)} to {_number(score.high)}"]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() and abs(value) >= 10 else f"{value:.4f}"


def _name(run: str) -> str:
    return shown(run).rstrip("/").rsplit("/", 1)[-1]
