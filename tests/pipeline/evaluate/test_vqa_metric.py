"""VQA accuracy of a run's answers, overall and by type."""

import json
from pathlib import Path

import pytest

from pipeline.evaluate.captions import Captions
from pipeline.evaluate.join_references import all_rows
from pipeline.evaluate.metric import MetricScore, NotComputed, Remark
from pipeline.evaluate.vqa_metric import NAME, VqaMetric
from tests.pipeline.evaluate.runs import captions_of, row, write_run

QUESTIONS = [
    {"question_id": "1", "answer": "2", "question_type": "how many", "answer_type": "number"},
    {"question_id": "2", "answer": "yes", "question_type": "is it", "answer_type": "yes/no"},
]


def _asked(*answers: str | None) -> list[dict[str, object]]:
    return [
        {"question_id": str(n), "question": "?", "answer": text, "logprob": -1.0}
        for n, text in enumerate(answers, 1)
    ]


def _captions(folder: Path) -> Captions:
    """Both right, one wrong and one not given, an image that was not read."""
    metadata = json.dumps({"questions": QUESTIONS})
    rows = [
        row(0, "x", answers=_asked("two", "yes"), metadata=metadata),
        row(1, "x", answers=_asked("3", None), metadata=metadata),
        row(2, None, metadata=metadata),
    ]
    return all_rows(write_run(folder, rows))


def test_answers_to_the_samples_own_questions(tmp_path: Path) -> None:
    outcomes = list(VqaMetric().measure(_captions(tmp_path)))
    scores = {one.name: one.value() for one in outcomes if isinstance(one, MetricScore)}
    assert scores == pytest.approx(
        {
            NAME: 2 / 6,
            f"{NAME}, answer type number": 1 / 3,
            f"{NAME}, answer type yes/no": 1 / 3,
            f"{NAME}, question type how many": 1 / 3,
            f"{NAME}, question type is it": 1 / 3,
        }
    )
    assert [one.text for one in outcomes if isinstance(one, Remark)] == ["VQA accuracy is of 6 questions"]


def test_answers_to_the_questions_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "annotations.json"
    file.write_text(
        json.dumps({"annotations": [{"question_id": n, "answers": [{"answer": "yes"}] * 10} for n in (2, 9)]})
    )
    outcomes = list(VqaMetric(str(file)).measure(_captions(tmp_path / "run")))
    assert {one.name: one.value() for one in outcomes if isinstance(one, MetricScore)} == {NAME: 0.5}


def test_a_run_that_answers_nothing_has_no_accuracy(tmp_path: Path) -> None:
    assert not list(VqaMetric().measure(captions_of(["a dog"])))
    rows = [row(0, "x", answers=_asked("two"))]
    (missing,) = VqaMetric().measure(all_rows(write_run(tmp_path, rows)))
    assert isinstance(missing, NotComputed)
    assert "give --answers" in missing.reason
