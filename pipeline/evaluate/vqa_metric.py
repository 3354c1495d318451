"""VQA accuracy of the answers of a run (see `vqa_accuracy.py`): overall, by answer type, by question type."""

from collections.abc import Iterator

import numpy as np

from pipeline.evaluate.captions import Captions, Row
from pipeline.evaluate.metric import NotComputed, Outcome, Remark, ratio
from pipeline.evaluate.vqa_accuracy import vqa_accuracy
from pipeline.evaluate.vqa_annotations import VqaAnswer, answers_in, read_vqa_annotations

NAME = "VQA accuracy"


class VqaMetric:
    """Human answers are those of the file `annotations`, else those of the samples' own metadata. A question
    without an answer of the run counts as answered wrongly, where it is the sample's own or was asked.
    """

    def __init__(self, annotations: str | None = None) -> None:
        self._file = annotations
        self._human = (
            {one.question_id: one for one in read_vqa_annotations(annotations)} if annotations else None
        )

    def measure(self, captions: Captions) -> Iterator[Outcome]:
        if not any(row.answers for row in captions.rows):
            if self._file is not None:
                yield NotComputed((NAME,), "the run answers no questions; make one with `maccap ask`")
            return
        scored: list[list[tuple[VqaAnswer, float]]] = []
        unknown = 0
        for row in captions.rows:
            human = self._of(row)
            said = {answer.question_id: answer.answer for answer in row.answers}
            unknown += len(said.keys() - human.keys())
            scored.append([(one, _accuracy(said.get(name), one)) for name, one in human.items()])
        if not any(scored):
            where = f"in --answers {self._file}" if self._file else "in the samples' metadata; give --answers"
            yield NotComputed((NAME,), f"no question of the run is answered {where}")
            return
        types = {
            (kind, str(getattr(one, f"{kind}_type")))
            for some in scored
            for one, _ in some
            for kind in ("answer", "question")
            if getattr(one, f"{kind}_type") is not None
        }
        yield _mean(NAME, scored)
        for kind, name in sorted(types):
            own = [[pair for pair in some if getattr(pair[0], f"{kind}_type") == name] for some in scored]
            yield _mean(f"{NAME}, {kind} type {name}", own)
        questions = sum(map(len, scored))
        known = f"; {unknown:,} answers are to questions without human answers" if unknown else ""
        if self._human is not None and (unasked := len(self._human) - questions):
            known += f"; {unasked:,} questions of --answers were not asked"
        yield Remark(f"VQA accuracy is of {questions:,} questions{known}")

    def _of(self, row: Row) -> dict[str, VqaAnswer]:
        """The human answers to the row's questions."""
        if self._human is None:
            return {one.question_id: one for one in answers_in(row.metadata)}
        asked = [answer.question_id for answer in row.answers]
        return {name: self._human[name] for name in asked if name in self._human}


def _accuracy(said: str | None, human: VqaAnswer) -> float:
    return 0.0 if said is None else vqa_accuracy(said, human.answers)


def _mean(name: str, scored: list[list[tuple[VqaAnswer, float]]]) -> Outcome:
    """Over questions; those of one image are drawn together."""
    sums = [sum(accuracy for _, accuracy in some) for some in scored]
    return ratio(name, np.array(sums, np.float64), [float(len(some)) for some in scored])
