"""Captions of one image are known as such, whatever the file says that with."""

import json
from pathlib import Path

import pytest

from pipeline.texts import load_captions

COCO = {
    "annotations": [
        {"image_id": 1, "caption": "A dog."},
        {"image_id": 2, "caption": "A cat."},
        {"image_id": 1, "caption": "A wet dog."},
    ]
}
FILES = {
    "coco.json": json.dumps(COCO),
    "karpathy.json": json.dumps(
        {
            "images": [
                {"sentences": [{"raw": "A dog."}, {"raw": "A wet dog."}]},
                {"sentences": [{"raw": "A cat."}]},
            ]
        }
    ),
    "named.json": json.dumps({"a.jpg": ["A dog.", "A wet dog."], "b.jpg": ["A cat."]}),
    "lists.jsonl": '{"captions": ["A dog.", "A wet dog."]}\n{"captions": ["A cat."]}',
    "records.jsonl": '{"image": "a.jpg", "caption": "A dog."}\n{"image": "b.jpg", "caption": "A cat."}\n'
    '{"image": "a.jpg", "caption": "A wet dog."}',
    "Flickr8k.token.txt": "a.jpg#0\tA dog.\nb.jpg#0\tA cat.\na.jpg#1\tA wet dog.",
    "results.csv": "image_name| comment_number| comment\na.jpg| 0| A dog.\nb.jpg| 0| A cat.\n"
    "a.jpg| 1| A wet dog.",
    "captions.txt": "image,caption\na.jpg,A dog.\nb.jpg,A cat.\na.jpg,A wet dog.",
}


@pytest.mark.parametrize("name", FILES)
def test_two_of_one_image_and_one_of_another(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FILES[name])
    captions = load_captions([str(tmp_path / name)])
    number = dict(zip(captions.texts, captions.images, strict=True))
    assert sorted(number) == ["A cat.", "A dog.", "A wet dog."]
    assert number["A dog."] == number["A wet dog."] != number["A cat."]


def test_lines_and_files_are_of_different_images(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("A dog.\nA wet dog.")
    (tmp_path / "y.jsonl").write_text('{"image": "a.jpg", "caption": "A cat."}')
    (tmp_path / "z.jsonl").write_text('{"image": "a.jpg", "caption": "A cup."}')
    captions = load_captions([str(tmp_path / name) for name in ("x.txt", "y.jsonl", "z.jsonl")])
    assert len(captions.texts) == len({*captions.images}) == 4
