"""What each image of a chunk is asked: the same as every other, what a file has for it, or what its own
metadata asks.
"""

from collections.abc import Sequence
from typing import Any, Self

import pyarrow as pa

from pipeline.chunk import Column, spread, valid_rows
from pipeline.join.image_names import image_name
from pipeline.questions.store import open_store
from pipeline.sources.metadata import fields_of
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.storage.errors import RunError
from pipeline.storage.redact import printable, shown

_QUESTIONS = pa.list_(pa.struct([("question_id", pa.string()), ("question", pa.string())]))

Asked = list[dict[str, str]]
"""Of one image, as in the column."""


class QuestionStage(Stage):
    """`same` are put to every image; else those of the store at URL `store`, or of a sample's metadata."""

    name = "questions"
    title = "questions of each image"
    task = "ask"
    needs = ("image_id", "metadata")
    adds = (Column("questions", _QUESTIONS, "what the image is asked"),)

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        return cls(settings.questions, settings.question_store)

    def __init__(self, same: Sequence[str] = (), store: str | None = None) -> None:
        self.same = [{"question_id": str(n), "question": text} for n, text in enumerate(same, 1)]
        self.store = None if store is None else open_store(store)
        if store is not None and self.store is None:
            raise RunError(
                f"{shown(store)} is gone, with the questions of the run. Start the same command again."
            )

    def __call__(self, samples: pa.Table) -> pa.Table:
        rows, errors = valid_rows(samples), samples["error"].to_pylist()
        asked: list[Asked | None] = []
        for row, found in zip(rows, self._of(samples, rows), strict=True):
            if isinstance(found, str):
                errors[row] = found
            asked.append(None if isinstance(found, str) else found)
        column = pa.array(spread(asked, rows, samples.num_rows), _QUESTIONS)
        place = samples.column_names.index("error")
        return samples.set_column(place, "error", pa.array(errors, pa.string())).append_column(
            "questions", column
        )

    def _of(self, samples: pa.Table, rows: Sequence[int]) -> Sequence[Asked | str]:
        """The questions of each row, or why they cannot be told."""
        if self.same:
            return [self.same] * len(rows)
        metadata = samples["metadata"].to_pylist()
        if self.store is None:
            return [own_questions(metadata[row]) for row in rows]
        ids, rule = samples["image_id"].to_pylist(), self.store.facts.rule
        found = self.store.of([image_name(rule, ids[row], metadata[row]) for row in rows])
        return [
            [{"question_id": one.question_id, "question": one.question} for one in of_image]
            for of_image in found
        ]


def own_questions(metadata: str | None) -> Asked | str:
    """The questions in a sample's metadata: `questions`, texts or objects with `question` and perhaps
    `question_id`, or one `question`; their number, from 1, is the id of those without. Or why they cannot be
    told.
    """
    fields = fields_of(metadata)
    listed = fields.get("questions") or fields.get("question") or []
    if isinstance(listed, str):
        listed = [{**fields, "question": listed}]
    asked = (
        [_asked(one, place) for place, one in enumerate(listed, 1)] if isinstance(listed, list) else [None]
    )
    told = [one for one in asked if one is not None]
    if len(told) < len(asked):
        return "`questions` in the metadata is no list of texts, or of objects with `question`"
    if len({one["question_id"] for one in told}) < len(told):
        return "two of the questions in the metadata have the same `question_id`"
    return told


def _asked(one: Any, place: int) -> dict[str, str] | None:
    question = one.get("question") if isinstance(one, dict) else one
    if not isinstance(question, str) or not question.strip():
        return None
    own = one.get("question_id") if isinstance(one, dict) else None
    if isinstance(own, bool) or not isinstance(own, str | int | None):
        return None
    return {"question_id": printable(str(place if own is None else own)), "question": printable(question)}
