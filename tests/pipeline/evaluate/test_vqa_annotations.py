"""Human answers read from the files that data sets and common tools write, and from a sample's metadata."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.evaluate.vqa_annotations import VqaAnswer, answers_in, read_vqa_annotations
from pipeline.storage.errors import UserError

_TWO = [VqaAnswer("1", ("yes", "no")), VqaAnswer("2", ("cat",))]


def _read(folder: Path, name: str, content: Any) -> list[VqaAnswer]:
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return list(read_vqa_annotations(str(file)))


def test_official_annotations(tmp_path: Path) -> None:
    official = {
        "info": {"version": "2.0"},
        "license": {"name": "CC"},
        "data_type": "mscoco",
        "annotations": [
            {
                "question_id": 262148000,
                "image_id": 262148,
                "question_type": "none of the above",
                "answer_type": "other",
                "multiple_choice_answer": "down",
                "answers": [
                    {"answer": answer, "answer_confidence": "yes", "answer_id": number}
                    for number, answer in enumerate(["down", "at table"] * 5, 1)
                ],
            }
        ],
    }
    expected = VqaAnswer("262148000", ("down", "at table") * 5, "none of the above", "other")
    assert _read(tmp_path, "v2.json", official) == [expected]
    packed = tmp_path / "v2.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(official).encode()))
    assert list(read_vqa_annotations(str(packed))) == [expected]


def test_other_data_sets(tmp_path: Path) -> None:
    textvqa = {"data": [{"question_id": 3, "image_id": "f", "answers": ["nous", "les"]}]}
    assert _read(tmp_path, "a.json", textvqa) == [VqaAnswer("3", ("nous", "les"))]
    gqa = {
        "07333408": {"question": "Is it?", "answer": "no", "imageId": "2", "types": {"structural": "verify"}}
    }
    assert _read(tmp_path, "a.json", gqa) == [VqaAnswer("07333408", ("no",), "verify")]
    a_okvqa = [{"question_id": "22j", "direct_answers": ["ship", "boat"], "choices": ["ship"], "image_id": 5}]
    assert _read(tmp_path, "a.json", a_okvqa) == [VqaAnswer("22j", ("ship", "boat"))]
    vizwiz = [
        {"image": "v.jpg", "question": "?", "answers": [{"answer": "soda"}] * 2, "answer_type": "other"}
    ]
    assert _read(tmp_path, "a.json", vizwiz) == [VqaAnswer("1", ("soda", "soda"), None, "other")]


def test_lists_and_lines(tmp_path: Path) -> None:
    records = [{"question_id": 1, "answers": ["yes", "no"]}, {"question_id": "2", "answer": "cat"}]
    lines = "\n".join(map(json.dumps, records)) + "\n\n"
    assert _read(tmp_path, "a.json", records) == _TWO
    assert _read(tmp_path, "a.jsonl", lines) == _TWO
    assert _read(tmp_path, "lines.json", lines) == _TWO
    assert _read(tmp_path, "a.json", [{"questionId": 5, "answer": 2}]) == [VqaAnswer("5", ("2",))]


@pytest.mark.parametrize("as_list", [json.dumps, repr, lambda texts: str(np.array(texts))])
def test_tables(tmp_path: Path, as_list: Any) -> None:
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["question_id", "answers"], [1, as_list(["yes", "no"])], [2, "cat"]],
        )
    assert list(read_vqa_annotations(str(tmp_path / "a.csv"))) == _TWO
    tab = "question_id\tanswer\tanswer_type\n7\ta, b\tother\n"
    assert _read(tmp_path, "a.tsv", tab) == [VqaAnswer("7", ("a, b",), None, "other")]


@pytest.mark.parametrize("cell", ["[{'answer': 'a'}\n {'answer': 'b'}]", "[a, b]"])
def test_a_list_that_would_be_one_answer_is_refused(tmp_path: Path, cell: str) -> None:
    with pytest.raises(UserError, match="question 1 has no answers"):
        _read(tmp_path, "a.csv", f'question_id,answers\n1,"{cell}"\n')


def test_parquet(tmp_path: Path) -> None:
    """As Hugging Face holds VQA v2: the pixels beside it are not read."""
    answers = [
        [{"answer": "yes", "answer_id": 1}, {"answer": "no", "answer_id": 2}],
        [{"answer": "cat", "answer_id": 1}],
    ]
    image = [{"bytes": b"\xff\xd8", "path": None}] * 2
    table = pa.table({"image": image, "question_id": [1, 2], "answers": answers, "question": ["?", "?"]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert list(read_vqa_annotations(str(tmp_path / "a.parquet"))) == _TWO
    by_column = pa.table({"question_id": [1, 2], "answers": [{"answer": ["yes", "no"]}, {"answer": ["cat"]}]})
    pq.write_table(by_column, tmp_path / "b.parquet")
    assert list(read_vqa_annotations(str(tmp_path / "b.parquet"))) == _TWO


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.json", {"questions": [{"question_id": 1, "question": "?"}]}, "annotations.json"),
        ("q.json", {"annotations": [{"image_id": 1, "caption": "A dog."}]}, "there are image_id, caption"),
        (
            "q.json",
            {"annotations": [{"question_id": 1, "answers": [None, "a"]}]},
            "no answers that are texts",
        ),
        ("q.json", [{"question_id": 1, "answer": "a"}, {"question_id": 1, "answer": "b"}], "there twice"),
        ("q.json", ["yes"], "is no question"),
        ("q.json", "[]", "no answers where"),
        ("q.json", '{"annotations": [{"question_id": 1, "answer": "a"', "cut short"),
        ("q.jsonl", '{"question_id": 1, "answer": "a"}\nno\n', "line 2"),
        ("q.csv", "question_id,question\n1,?\n", "question 1 has no answers"),
        ("q.parquet", "none", "cannot be read"),
        ("q.zip", "", "Unpack it"),
        ("q.txt", "", "by its name"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        _read(tmp_path, name, content)
    assert name in str(error.value)
    with pytest.raises(UserError, match="cannot be read"):
        list(read_vqa_annotations(str(tmp_path / "missing.json")))


def test_metadata() -> None:
    questions = [
        {"question_id": 7, "question": "How many?", "answer": "2", "question_type": "how many"},
        {"question": "Where?", "answers": ["park", "garden"], "answer_type": "other"},
        {"question": "Why?"},
        "What?",
    ]
    assert answers_in(json.dumps({"questions": questions, "id": 3})) == [
        VqaAnswer("7", ("2",), "how many"),
        VqaAnswer("2", ("park", "garden"), None, "other"),
    ]
    assert (
        answers_in(None)
        == answers_in("no JSON")
        == answers_in('{"questions": "?"}')
        == answers_in("[1]")
        == []
    )
