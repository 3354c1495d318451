"""What is missing is listed, all of it and with where to get it."""

from pathlib import Path

import pytest

from maccap.config import ClipSource, LanguageModelSource
from pipeline.experiments.checklist import Checklist, check
from pipeline.experiments.registry import find_experiment
from pipeline.storage.errors import UserError
from tests.pipeline.experiments.official_files import TEST_IMAGES, write_official_files


def _check(name: str, data: Path, bundle: Path, limit: int | None = None) -> Checklist:
    towers = ClipSource(name=str(bundle / "clip")), LanguageModelSource(name=str(bundle / "llm"))
    return check(find_experiment(name), data, *towers, limit)


def test_all_is_found(tmp_path: Path, small_bundle: Path) -> None:
    found = _check("coco-to-flickr30k", write_official_files(tmp_path), small_bundle)
    assert not found.missing
    assert {path.name for path in found.files.values()} == {
        "dataset_coco.json",
        "dataset_flickr30k.json",
        "flickr30k-images",
    }
    assert len(found.images) == TEST_IMAGES
    found.require()


def test_an_empty_folder_lacks_every_file(tmp_path: Path, small_bundle: Path) -> None:
    found = _check("vqav2", tmp_path, small_bundle)
    with pytest.raises(UserError) as refused:
        found.require()
    for name in (
        "captions_train2014.json: annotations_trainval2014.zip: https://cocodataset.org",
        "v2_OpenEnded_mscoco_val2014_questions.json: v2_Questions_Val_mscoco.zip: https://visualqa.org",
        "v2_mscoco_val2014_annotations.json: v2_Annotations_Val_mscoco.zip",
        "val2014: val2014.zip",
    ):
        assert name in str(refused.value)
    assert "weights of" not in str(refused.value)


def test_images_are_looked_for_one_by_one_up_to_the_limit(tmp_path: Path, small_bundle: Path) -> None:
    data = write_official_files(tmp_path)
    (data / "nocaps" / "val" / f"{2:016x}.jpg").unlink()
    (item,) = _check("nocaps", data, small_bundle).missing
    assert item.name == "3 images in val"
    assert item.source.startswith(f"1 of them are not in {data / 'nocaps' / 'val'}, such as {2:016x}.jpg")
    assert not _check("nocaps", data, small_bundle, limit=2).missing
