"""Splits that names tell, of files and folders as the field's tools and data sets have them."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.texts import load_captions
from pipeline.texts.clean import Reason
from pipeline.texts.config import TextConfig
from pipeline.texts.splits import split_of
from tests.images import encoded, picture


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("data/train-00000-of-00002.parquet", "train"),  # datasets
        ("data/validation-00000-of-00001.parquet", "val"),
        ("annotations/captions_val2017.json", "val"),  # COCO
        ("cc3m-train-0012.tar", "train"),  # webdataset
        ("Train_GCC-training.tsv", "train"),  # Conceptual Captions
        ("Validation_GCC-1.1.0-Validation.tsv", "val"),
        ("open_images_test_captions.jsonl", "test"),  # Localized Narratives
        ("test/train/0.json", "train"),  # the nearest
        ("captions_train_val.json", None),
        ("train.txt", "train"),
        ("flickr30k.test.txt", "test"),
        ("a-train-at-the-station.txt", None),  # a caption may be called after what it says
        ("train-a.dog.txt", "train"),
        ("train2017/0.json", "train"),
        ("personal_training/0.json", None),
        ("trainstation.txt", None),
        ("contest.txt", None),
        ("00000.tar", None),
    ],
)
def test_names(path: str, split: str | None) -> None:
    assert split_of(path) == split


def _parquet(path: Path, *texts: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"caption": texts}), path)


def test_a_folder_of_hugging_face_trains_on_its_training_split(tmp_path: Path) -> None:
    folder = tmp_path / "test" / "set"  # above SOURCE, and no matter
    _parquet(folder / "data" / "train-00000-of-00001.parquet", "A dog.", "A cat.")
    _parquet(folder / "data" / "test-00000-of-00001.parquet", "A bird.")
    (folder / "more.txt").write_text("A horse.\n")
    captions = load_captions([str(folder)])
    assert (captions.texts, captions.splits) == (["A dog.", "A cat.", "A horse."], ["train"])
    assert captions.dropped[Reason.OTHER_SPLIT].count == 1
    assert load_captions([f"{folder}/data/*.parquet"]).texts == ["A dog.", "A cat."]
    assert load_captions([str(folder)], TextConfig(splits=("test",))).texts == ["A bird.", "A horse."]
    assert load_captions([str(folder / "data" / "test-00000-of-00001.parquet")]).texts == ["A bird."]


def test_without_a_training_split_names_leave_nothing_out(tmp_path: Path) -> None:
    _parquet(tmp_path / "test.parquet", "A dog.")
    _parquet(tmp_path / "val.parquet", "A cat.")
    assert load_captions([str(tmp_path)]).texts == ["A dog.", "A cat."]


def test_a_records_own_split_is_the_one_that_counts(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(
        json.dumps([{"split": "test", "caption": "A dog."}, {"caption": "A cat."}])
    )
    assert load_captions([str(tmp_path)]).texts == ["A cat."]


def test_a_file_without_captions_chooses_no_split(tmp_path: Path) -> None:
    instances = {"annotations": [{"bbox": [0, 0, 1, 1], "category_id": 1}], "categories": [{"name": "dog"}]}
    (tmp_path / "instances_train2017.json").write_text(json.dumps(instances))
    captions = {"annotations": [{"image_id": 1, "caption": "A dog."}]}
    (tmp_path / "captions_val2017.json").write_text(json.dumps(captions))
    assert load_captions([str(tmp_path)]).texts == ["A dog."]


def test_splits_by_names_are_told_and_other_spellings_are_the_same(tmp_path: Path) -> None:
    _parquet(tmp_path / "train.parquet", "A dog.")
    _parquet(tmp_path / "validation.parquet", "A cat.")
    records = [{"split": "Training", "caption": "A cup."}, {"split": "valid", "caption": "A hat."}]
    (tmp_path / "more.json").write_text(json.dumps(records))
    captions = load_captions([str(tmp_path)])
    assert sorted(captions.texts) == ["A cup.", "A dog."]
    assert "splits by the files' names (train: 1, val: 1); --split takes others" in captions.notes
    assert sorted(load_captions([str(tmp_path)], TextConfig(splits=("validation",))).texts) == [
        "A cat.",
        "A hat.",
    ]


def test_texts_beside_images_are_of_the_split_of_their_folder(tmp_path: Path) -> None:
    for name, text in (("train/test_0", "A dog."), ("train/0", "A cat."), ("val/train_0", "A bird.")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.png").write_bytes(encoded(picture(), "PNG"))
        (tmp_path / f"{name}.txt").write_text(text)
    assert sorted(load_captions([str(tmp_path)]).texts) == ["A cat.", "A dog."]


def test_lists_of_json_below_the_names_of_splits(tmp_path: Path) -> None:
    path = tmp_path / "captions.json"
    path.write_text(json.dumps({"train": [{"caption": "A dog."}], "validation": [{"caption": "A cat."}]}))
    captions = load_captions([str(path)])
    assert (captions.texts, captions.splits) == (["A dog."], ["train"])
    path.write_text(json.dumps({"test_0.jpg": "A dog.", "train_0.jpg": "A cat."}))  # names of images
    assert load_captions([str(path)]).texts == ["A dog.", "A cat."]
