"""CHAIR of a run's captions, joined with COCO's instances."""

import json
from pathlib import Path

import pytest

from pipeline.evaluate.chair_metric import ChairMetric
from pipeline.evaluate.metric import MetricScore, Remark
from pipeline.evaluate.object_words import ObjectWords
from pipeline.storage.errors import UserError
from tests.pipeline.evaluate.runs import captions_of


@pytest.fixture
def instances(tmp_path: Path) -> str:
    """A dog in image 0, a cat in image 1, nothing in image 2."""
    names = ObjectWords.built_in().categories
    path = tmp_path / "instances.json"
    path.write_text(
        json.dumps(
            {
                "images": [{"id": n, "file_name": f"{n}.jpg"} for n in range(3)],
                "annotations": [
                    {"image_id": 0, "category_id": names.index("dog")},
                    {"image_id": 1, "category_id": names.index("cat")},
                ],
                "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
            }
        )
    )
    return str(path)


def test_objects_that_are_not_there(instances: str) -> None:
    texts = ["a dog and a cat", "a cat", "a car", None, "a train"]
    outcomes = list(ChairMetric(instances).measure(captions_of(texts[:3])))
    scores = {one.name: one.value() for one in outcomes if isinstance(one, MetricScore)}
    assert scores == {"CHAIRi": 2 / 4, "CHAIRs": 2 / 3}
    (remark,) = [one.text for one in outcomes if isinstance(one, Remark)]
    assert "3 captions" in remark
    assert "MacCap's words" in remark


def test_an_image_that_is_not_known_and_a_missing_caption_do_not_count(instances: str) -> None:
    outcomes = list(ChairMetric(instances).measure(captions_of(["a dog", None, "a car", "a train"])))
    scores = {one.name: one.value() for one in outcomes if isinstance(one, MetricScore)}
    assert scores == {"CHAIRi": 1 / 2, "CHAIRs": 1 / 2}
    assert any(
        "1 images are not among the instances" in one.text for one in outcomes if isinstance(one, Remark)
    )


def test_what_references_name_is_there(instances: str) -> None:
    captions = captions_of(["a dog and a car"], [["a car with a dog"]])
    assert [
        one.value() for one in ChairMetric(instances).measure(captions) if isinstance(one, MetricScore)
    ] == [
        0,
        0,
    ]


def test_instances_of_other_images_are_refused(instances: str, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    document = json.loads(Path(instances).read_text())
    document["images"] = [{"id": 70 + n, "file_name": f"{n}.png"} for n in range(7, 9)]
    document["annotations"] = [{**one, "image_id": 77} for one in document["annotations"]]
    other.write_text(json.dumps(document))
    with pytest.raises(UserError, match="--instances"):
        list(ChairMetric(str(other)).measure(captions_of(["a dog"])))
