"""The rule under which a file of questions knows the images of an archive, and what it is known by."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.join.image_names import NameRule
from pipeline.questions.survey import Reading, Survey, survey
from pipeline.storage.errors import UserError

COCO = [(f"val2014/COCO_val2014_{n:012d}.jpg", json.dumps({"cocoid": 1000 + n})) for n in range(20)]


def survey_of(folder: Path, images: Sequence[object], rule: NameRule | None = None) -> Survey:
    file = folder / "q.json"
    file.write_text(json.dumps([{"image": image, "question": "What?"} for image in images]))
    return survey(str(file), COCO, rule, lambda read: None)


@pytest.mark.parametrize(
    ("images", "rule"),
    [
        ([image_id for image_id, _ in COCO], "image_id"),
        (["val2014/COCO_val2014_000000000003.png"], "path"),
        (["images/COCO_val2014_000000000003.jpg"], "name"),
        (["COCO_val2014_000000000003"], "stem"),
        ([3, 4, 999], "number"),
        ([1003, 1004, 3], "metadata"),
    ],
)
def test_the_rule_that_finds_most(tmp_path: Path, images: Sequence[object], rule: NameRule) -> None:
    found = survey_of(tmp_path, images)
    assert (found.questions, found.rule) == (len(images), rule)


def test_a_rule_that_is_given(tmp_path: Path) -> None:
    assert survey_of(tmp_path, ["elsewhere"], "stem").rule == "stem"


def test_no_rule(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="about none of 20 images") as refused:
        survey_of(tmp_path, ["cat.jpg", "cat.jpg", "dog.jpg", "bird.jpg", "cow.jpg"])
    assert "The file says cat.jpg, dog.jpg, bird.jpg; the archive has val2014/" in str(refused.value)
    assert "--join-on" in str(refused.value)


@pytest.mark.parametrize("data", ["[]", '{"questions": []}', "image,question\n"])
def test_no_question(tmp_path: Path, data: str) -> None:
    (tmp_path / "q.json").write_text(data)
    with pytest.raises(UserError, match="hold no question"):
        survey(str(tmp_path / "q.json"), COCO, None, lambda read: None)


def test_a_number_as_id_that_another_has(tmp_path: Path) -> None:
    (tmp_path / "q.json").write_text(
        '[{"image": 1, "question": "?", "id": 2}, {"image": 1, "question": "!"}]'
    )
    with pytest.raises(UserError, match="question 1 and question 2 both have the id 2"):
        survey(str(tmp_path / "q.json"), COCO, None, lambda read: None)


def test_the_fingerprint_is_of_every_question_in_order(tmp_path: Path) -> None:
    def fingerprint(*lines: str) -> str:
        (tmp_path / "q.jsonl").write_text("\n".join(lines))
        reading = Reading(str(tmp_path / "q.jsonl"))
        list(reading.batches())
        return reading.fingerprint

    one, two = '{"image": 1, "question": "?", "id": 1}', '{"image": 2, "question": "?", "id": 2}'
    assert fingerprint(one, two) == fingerprint(one, "", two.replace("2,", "2 ,"), "")
    assert len({fingerprint(one), fingerprint(one, two), fingerprint(two, one)}) == 3
