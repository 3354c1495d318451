"""What each image is asked: the same, what a file has for it, or what its own metadata asks."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.questions.store import build_store
from pipeline.questions.survey import survey
from pipeline.stages.questions import QuestionStage, own_questions
from pipeline.storage.errors import RunError


def samples(ids: list[str], metadata: list[object] | None = None, error: str | None = None) -> pa.Table:
    texts = [None if one is None else json.dumps(one) for one in metadata or [None] * len(ids)]
    return pa.table(
        {
            "image_id": ids,
            "metadata": pa.array(texts, pa.large_string()),
            "error": pa.array([None] * (len(ids) - 1) + [error], pa.string()),
        }
    )


def asked(table: pa.Table) -> list[list[str] | None]:
    return [
        None if row is None else [f"{one['question_id']} {one['question']}" for one in row]
        for row in table["questions"].to_pylist()
    ]


def test_the_same_for_every_image_that_has_no_error() -> None:
    table = QuestionStage(["What?", "Where?"])(samples(["a", "b"], error="broken"))
    assert asked(table) == [["1 What?", "2 Where?"], None]
    assert table["error"].to_pylist() == [None, "broken"]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (None, []),
        ({"caption": "a dog"}, []),
        ({"questions": []}, []),
        ({"questions": None}, []),
        ({"questions": ["What?", "Where?"]}, ["1 What?", "2 Where?"]),
        (
            {"questions": [{"question_id": 7, "question": "What?"}, {"question": "Where?"}]},
            ["7 What?", "2 Where?"],
        ),
        ({"question": "What?", "question_id": 0, "answer": "dog"}, ["0 What?"]),
        ({"question": "What?"}, ["1 What?"]),
        ({"questions": None, "question": "What?"}, ["1 What?"]),
        ({"questions": ["What \ud800?"]}, ["1 What \\ud800?"]),
    ],
)
def test_those_of_the_metadata(metadata: object, expected: list[str]) -> None:
    assert asked(QuestionStage()(samples(["a"], [metadata]))) == [expected]


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"questions": {"a": 1}}, "no list of texts"),
        ({"questions": [1]}, "no list of texts"),
        ({"questions": ["What?", " "]}, "no list of texts"),
        ({"questions": [{"text": "What?"}]}, "no list of texts"),
        ({"questions": [{"question": "What?", "question_id": {"a": 1}}]}, "no list of texts"),
        (
            {"questions": [{"question_id": 1, "question": "A?"}, {"question_id": "1", "question": "B?"}]},
            "same",
        ),
    ],
)
def test_a_row_whose_questions_cannot_be_told_is_an_error(metadata: object, said: str) -> None:
    table = QuestionStage()(samples(["a", "b"], [metadata, {"questions": ["What?"]}]))
    assert asked(table) == [None, ["1 What?"]]
    assert said in table["error"][0].as_py()
    assert table["error"][1].as_py() is None


def test_metadata_that_is_no_object() -> None:
    assert own_questions("[1]") == []


def test_those_of_a_file(tmp_path: Path) -> None:
    lines = [{"image_id": n % 3, "question_id": n, "question": f"Question {n}?"} for n in range(9)]
    (tmp_path / "q.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    rows = [(f"val/COCO_val2014_{n:012d}.jpg", None) for n in (0, 2, 5)]
    store = str(tmp_path / "store")
    file = str(tmp_path / "q.jsonl")
    build_store(file, store, survey(file, rows, None, lambda read: None), lambda read: None)
    table = QuestionStage(store=store)(samples([image_id for image_id, _ in rows]))
    assert asked(table) == [
        ["0 Question 0?", "3 Question 3?", "6 Question 6?"],
        ["2 Question 2?", "5 Question 5?", "8 Question 8?"],
        [],
    ]


def test_a_store_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is gone, with the questions"):
        QuestionStage(store=str(tmp_path / "store"))
