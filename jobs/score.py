"""`maccap score RUN`: score the captions of a run over rendered scenes.

Each scene's facts and references travel as its sample's metadata, so a run folder is all it takes.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.output import answer

if TYPE_CHECKING:
    from maccap.scenes.evaluation.score import Scores
    from maccap.scenes.world.facts import SceneFacts

Run = Annotated[str, typer.Argument(metavar="RUN", help="The run folder of a captioned scene archive.")]
JsonOnly = Annotated[bool, typer.Option("--json", help="Print the JSON line alone.")]

Report = dict[str, dict[str, "Scores"]]
"""Scores by `reranked` or `first candidate` (what a row would get without reranking), then by group."""

_GROUPS: dict[str, Callable[["SceneFacts"], bool]] = {
    "all": lambda facts: True,
    "unseen pairs": lambda facts: facts.unseen_pair,
    "seen pairs": lambda facts: not facts.unseen_pair,
    "1 kind": lambda facts: len(facts.objects) == 1,
    "2 kinds": lambda facts: len(facts.objects) == 2,
    "3 kinds": lambda facts: len(facts.objects) == 3,
}


def main(run: Run, json_only: JsonOnly = False) -> None:
    """Score a run over rendered scenes: overall, and apart by what is in them."""
    report = score_run(run)
    if not json_only:
        answer(as_table(report), end="\n\n")
    answer(as_json(report))


def score_run(run: str) -> Report:
    """Score every row whose metadata says what is in its scene; a row without a caption counts as one that
    says nothing. CIDEr-D takes its document frequencies from the scenes of the group.

    Raises UserError where RUN has no captions, or fewer than two rows with scene facts.
    """
    from jobs.extras import require
    from maccap.scenes.evaluation.score import score

    require("pycocoevalcap", "scoring captions (CIDEr-D)")
    reranked, first, facts = _read(run)
    report: Report = {"reranked": {}, "first candidate": {}}
    for name, belongs in _GROUPS.items():
        rows = [row for row, scene in enumerate(facts) if belongs(scene)]
        if len(rows) < 2:
            continue
        scenes = [facts[row] for row in rows]
        for kind, captions in (("reranked", reranked), ("first candidate", first)):
            report[kind][name] = score([captions[row] for row in rows], scenes)
    return report


def as_table(report: Report) -> str:
    """The report to read: shares of 1, a dash where nothing was said, and CIDEr-D from 0 to 10."""
    from maccap.scenes.evaluation.score import Scores

    heads = "".join(f"{head:>11}" for head in ("scenes", *Scores.SHOWN))
    lines = []
    for kind, groups in report.items():
        lines += ["", f"{kind:15}{heads}"]
        for name, scores in groups.items():
            lines.append(
                f"{name:15}{scores.captions:11,}" + "".join(f"{cell:>11}" for cell in scores.shown())
            )
    return "\n".join(lines[1:])


def as_json(report: Report) -> str:
    return json.dumps(
        {kind: {n: s.model_dump() for n, s in groups.items()} for kind, groups in report.items()}
    )


def _read(run: str) -> tuple[list[str | None], list[str | None], list["SceneFacts"]]:
    """Captions, first candidates and facts of the rows that have facts."""
    from pydantic import ValidationError

    from maccap.scenes.world.facts import SceneFacts
    from pipeline.inspect.caption_table import read_captions
    from pipeline.storage.errors import UserError

    captions: list[str | None] = []
    first: list[str | None] = []
    facts: list[SceneFacts] = []
    for table in read_captions(run, ["caption", "candidates", "metadata"]):
        for row in table.to_pylist():
            try:
                facts.append(SceneFacts.model_validate_json(row["metadata"] or ""))
            except ValidationError:
                continue
            captions.append(row["caption"])
            first.append(row["candidates"][0]["text"] if row["candidates"] else None)
    if len(facts) < 2:
        raise UserError(
            f"RUN {run} cannot be scored: {len(facts)} of its rows say in their metadata what is in the "
            "scene, and two are needed. Only scenes that `maccap scenes` wrote say so."
        )
    return captions, first, facts


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
