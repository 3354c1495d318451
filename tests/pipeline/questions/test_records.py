"""The names that data sets give the fields of a question."""

from typing import Any

import pytest

from pipeline.questions.records import AskedQuestion, BrokenRecordError, questions_in


@pytest.mark.parametrize(
    "record",
    [
        {"image_id": "a", "question": "What?", "question_id": 7},  # VQAv2
        {"imageId": "a", "question": "What?", "questionId": 7, "image": "other"},
        {"img_id": "a", "sent": "What?", "question_id": 7, "label": {"red": 1}},  # LXMERT
        {"image": "a", "text": "What?", "question_id": 7, "category": "x"},  # LLaVA
        {"image_name": "a", "question": "What?", "qid": 7},  # VQA-RAD
        {"image_filename": "a", "question": "What?", "question_index": 7},  # CLEVR
        {"file_name": "a", "prompt": "What?", "id": 7},
        {"image_path": "a", "image": "", "query": "What?", "id": 7.0},
        {"Image": "a", "Question": "What?", "ID": "7"},
        {"image": {"bytes": None, "path": "a"}, "question": "What?", "qid": "7"},
    ],
)
def test_one_question(record: dict[str, Any]) -> None:
    assert questions_in(record) == [AskedQuestion("7", "a", "What?")]


def test_several_of_one_image() -> None:
    assert questions_in({"image": "a", "id": 7, "questions": ["What?", {"text": "Who?", "id": 8}]}) == [
        AskedQuestion(None, "a", "What?"),
        AskedQuestion("8", "a", "Who?"),
    ]
    visual_genome = {"id": 1, "qas": [{"image_id": 5, "qa_id": 9, "question": "What?", "answer": "a"}]}
    assert questions_in(visual_genome) == [AskedQuestion("9", "5", "What?")]


def test_the_key_is_an_id_where_the_record_has_none() -> None:
    record = {"imageId": "5", "question": "What?"}
    assert questions_in(record, "k") == [AskedQuestion("k", "5", "What?")]
    assert questions_in({**record, "qid": 1}, "k") == [AskedQuestion("1", "5", "What?")]


def test_no_secret_of_a_web_address_is_kept() -> None:
    (asked,) = questions_in({"image": "https://host/a.jpg?token=secret", "question": "What?"})
    assert asked.image == "https://host/a.jpg"


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ([], "no object"),
        ({"question": "?"}, "names no image"),
        ({"image": None, "question": "?"}, "names no image"),
        ({"image": ["a", "b"], "question": "?"}, "image is no name or number"),
        ({"image": 1.5, "question": "?"}, "image is no name or number"),
        ({"image": "a", "question": "?", "id": [1]}, "id is no name or number"),
        ({"image": "a"}, "no question"),
        ({"image": "a", "question": "\n"}, "no question"),
        ({"image": "a", "question": 5}, "no text"),
        ({"image": "a", "questions": []}, "empty"),
        ({"image": "a", "questions": ["?", " "]}, "question is empty"),
        ({"image": "a", "questions": [{"answer": "x"}]}, "no question"),
    ],
)
def test_broken(record: Any, says: str) -> None:
    with pytest.raises(BrokenRecordError, match=says):
        questions_in(record)
