"""The images of a benchmark, read from its own file."""

import json
from pathlib import Path

import pytest

from pipeline.experiments.image_names import image_names, karpathy_test, nocaps, vqa_val2014
from pipeline.storage.errors import UserError
from tests.pipeline.experiments.official_files import write_official_files


def test_each_file_names_its_images_once_and_in_its_order(tmp_path: Path) -> None:
    data = write_official_files(tmp_path)
    coco = [f"COCO_val2014_{number:012d}.jpg" for number in range(3)]
    assert image_names(data / "coco" / "dataset_coco.json", karpathy_test) == coco
    assert image_names(data / "v2_OpenEnded_mscoco_val2014_questions.json", vqa_val2014) == coco
    found = image_names(data / "nocaps" / "nocaps_val_4500_captions.json", nocaps)
    assert found == [f"{number:016x}.jpg" for number in range(3)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps({"images": [{"split": "val", "filename": "a.jpg"}, 3]}), "names none of the images"),
        ('{"images": [{"split": "test", "filename": "a.jpg"}', "cannot be read: .*Download it again"),
    ],
)
def test_another_file_of_the_name_and_a_damaged_one_are_refused(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "dataset_coco.json").write_text(text)
    with pytest.raises(UserError, match=message):
        image_names(tmp_path / "dataset_coco.json", karpathy_test)
