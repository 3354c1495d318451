"""Scores of a run over rendered scenes: against what is in each scene, and by CIDEr-D.

Each scene's facts and references travel as its sample's metadata, so a run folder is all it takes.
"""

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import ValidationError

from maccap.scenes.evaluation.score import Scores, score
from maccap.scenes.world.facts import SceneFacts
from pipeline.evaluate.captions import Row
from pipeline.storage.errors import UserError
from pipeline.storage.extras import require

SceneScores = dict[str, dict[str, Scores]]
"""Scores by `reranked` or `first candidate` (what a row would get without reranking), then by group."""

_GROUPS: dict[str, Callable[[SceneFacts], bool]] = {
    "all": lambda facts: True,
    "unseen pairs": lambda facts: facts.unseen_pair,
    "seen pairs": lambda facts: not facts.unseen_pair,
    "1 kind": lambda facts: len(facts.objects) == 1,
    "2 kinds": lambda facts: len(facts.objects) == 2,
    "3 kinds": lambda facts: len(facts.objects) == 3,
}


def are_scenes(rows: Iterable[Row]) -> bool:
    """Whether any of the rows says what is in its scene."""
    return any(_facts(row) is not None for row in rows)


def score_scenes(rows: Iterable[Row], run: str) -> SceneScores:
    """Score every row whose metadata says what is in its scene; a row without a caption counts as one that
    says nothing. CIDEr-D takes its document frequencies from the scenes of the group.

    Raises UserError where fewer than two rows have scene facts, or CIDEr-D's package is not installed.
    """
    require("pycocoevalcap", "scoring rendered scenes (CIDEr-D)")
    known = [(row, facts) for row in rows if (facts := _facts(row)) is not None]
    if len(known) < 2:
        raise UserError(
            f"RUN {run} cannot be scored: {len(known)} of its rows say in their metadata what is in the "
            "scene, and two are needed. Only scenes that `maccap scenes` wrote say so."
        )
    report: SceneScores = {"reranked": {}, "first candidate": {}}
    for name, belongs in _GROUPS.items():
        own = [(row, facts) for row, facts in known if belongs(facts)]
        if len(own) < 2:
            continue
        scenes = [facts for _, facts in own]
        report["reranked"][name] = score([row.caption for row, _ in own], scenes)
        report["first candidate"][name] = score([row.first for row, _ in own], scenes)
    return report


def scenes_table(report: SceneScores) -> str:
    """The report to read: fractions of 1, a dash where nothing was said, and CIDEr-D from 0 to 10."""
    heads = "".join(f"{head:>11}" for head in ("scenes", *Scores.SHOWN))
    lines = []
    for kind, groups in report.items():
        lines += ["", f"{kind:15}{heads}"]
        for name, scores in groups.items():
            lines.append(
                f"{name:15}{scores.captions:11,}" + "".join(f"{cell:>11}" for cell in scores.shown())
            )
    return "\n".join(lines[1:])


def scenes_json(report: SceneScores) -> dict[str, Any]:
    return {kind: {name: own.model_dump() for name, own in groups.items()} for kind, groups in report.items()}


def _facts(row: Row) -> SceneFacts | None:
    try:
        return SceneFacts.model_validate_json(row.metadata or "")
    except ValidationError:
        return None
