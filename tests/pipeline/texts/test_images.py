"""Captions of one image are known as such, whatever the file says that with."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
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
    "two.token.txt": "a.jpg.1#0\tA dog.\nb.jpg#0\tA cat.\na.jpg.1#1\tA wet dog.",
    "numbered.tsv": "0\ta.jpg\tA dog.\n0\tb.jpg\tA cat.\n1\ta.jpg\tA wet dog.",
    "floats.csv": "Image ID,caption\n1.0,A dog.\n2.0,A cat.\n1.0,A wet dog.",
    "conversation.jsonl": "\n".join(
        json.dumps({"image": f"{image}.jpg", "messages": [{"role": "assistant", "content": text}]})
        for image, text in (("a", "A dog."), ("b", "A cat."), ("a", "A wet dog."))
    ),
    "captions.txt": "image,caption\na.jpg,A dog.\nb.jpg,A cat.\na.jpg,A wet dog.",
}


@pytest.mark.parametrize("name", FILES)
def test_two_of_one_image_and_one_of_another(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FILES[name])
    captions = load_captions([str(tmp_path / name)])
    number = dict(zip(captions.texts, captions.images, strict=True))
    assert sorted(number) == ["A cat.", "A dog.", "A wet dog."]
    assert number["A dog."] == number["A wet dog."] != number["A cat."]


@pytest.mark.parametrize(
    "text",
    [
        '{"image": true, "caption": "A dog."}\n{"image": true, "caption": "A cat."}',
        '{"image_id": "", "caption": "A dog."}\n{"image_id": "", "caption": "A cat."}',
        "id,caption\n1,A dog.\n1,A cat.",
        "image_id,caption\nset#1,A dog.\nset#2,A cat.",
    ],
)
def test_what_tells_no_image_makes_none_the_same(tmp_path: Path, text: str) -> None:
    path = tmp_path / ("x.jsonl" if text.startswith("{") else "x.csv")
    path.write_text(text)
    assert len({*load_captions([str(path)]).images}) == 2


def test_lines_and_files_are_of_different_images(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("A dog.\nA wet dog.")
    (tmp_path / "y.jsonl").write_text('{"image": "a.jpg", "caption": "A cat."}')
    (tmp_path / "z.jsonl").write_text('{"image": "a.jpg", "caption": "A cup."}')
    captions = load_captions([str(tmp_path / name) for name in ("x.txt", "y.jsonl", "z.jsonl")])
    assert len(captions.texts) == len({*captions.images}) == 4


def test_columns_of_parquet(tmp_path: Path) -> None:
    texts = ["A dog.", "A cat.", "A wet dog."]
    for name, images in (("a", ["x", "y", "x"]), ("b", [1, 2, 1]), ("c", [1.0, 2.0, 1.0])):
        table = pa.table({"caption": texts, "image_id": images})
        pq.write_table(table, tmp_path / f"{name}.parquet")
        first, other, second = load_captions([str(tmp_path / f"{name}.parquet")]).images
        assert first == second != other
