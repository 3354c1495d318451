"""references.py and reference_files.py: every form that references come in gives names and captions."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.evaluate.reference_files import read_references
from pipeline.evaluate.references import Fields
from pipeline.storage.errors import UserError
from tests.pipeline.evaluate.runs import EXCERPT

TEXTS = ["A dog runs.", "Dogs, outside"]
NAME = "COCO_val2014_000000391895.jpg"
COCO = {
    "info": {"version": "1.0"},
    "annotations": [{"image_id": 391895, "id": n, "caption": text} for n, text in enumerate(TEXTS)],
    "images": [{"id": 391895, "file_name": NAME, "license": 3}],
}
KARPATHY = {
    "images": [
        {
            "filepath": "val2014", "filename": NAME, "imgid": 0, "cocoid": 391895, "split": "test",
            "sentences": [{"raw": text, "tokens": text.split()} for text in TEXTS],
        }
    ],
    "dataset": "coco",
}  # fmt: skip


def _write(path: Path, content: Any) -> str:
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    elif isinstance(content, str):
        path.write_text(content)
    else:
        path.write_text(json.dumps(content))
    return str(path)


def _csv(*rows: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize(
    ("file", "content", "names"),
    [
        ("coco.json", COCO, {391895, NAME}),
        ("karpathy.json", KARPATHY, {NAME, f"val2014/{NAME}", 391895}),
        ("list.json", [{"image": f"val2014/{NAME}", "caption": TEXTS}], {f"val2014/{NAME}"}),
        ("results.json", [{"image_id": 391895, "id": n, "caption": TEXTS[n]} for n in (0, 1)], {391895}),
        ("mapping.json", {NAME: TEXTS}, {NAME}),
        ("mapping2.json", {NAME: [{"caption": text} for text in TEXTS]}, {NAME}),
        ("lines.json", "".join(json.dumps({"id": 391895, "text": t}) + "\n" for t in TEXTS), {391895}),
        ("lines.jsonl", json.dumps({"file_name": NAME, "captions": TEXTS}), {NAME}),
        ("flickr.token", "".join(f"{NAME}#{n}\t{text}\n" for n, text in enumerate(TEXTS)), {NAME}),
        ("flickr.csv", "image_name| comment_number| comment\n"
            + "".join(f"{NAME}| {n}| {text}\n" for n, text in enumerate(TEXTS)), {NAME}),
        ("kaggle.txt", _csv(["image", "caption"], *([NAME, text] for text in TEXTS)), {NAME}),
        ("hub.csv", _csv(["raw", "Filename", "img_id"], [json.dumps(TEXTS), NAME, "0"]), {NAME, "0"}),
        ("unquoted.tsv", f"image\tcaption\n{NAME}\t{TEXTS[0]}\n{NAME}\t{TEXTS[1]}\n", {NAME}),
        ("a.parquet", pa.table({"image_id": [391895], "image": [b"JPEG"], "captions": [TEXTS]}), {391895}),
    ],
)  # fmt: skip
def test_a_form_of_references(tmp_path: Path, file: str, content: Any, names: set[object]) -> None:
    (reference,) = read_references(_write(tmp_path / file, content), Fields()).images
    assert {*reference.names} == names
    assert reference.texts == TEXTS


def test_the_published_excerpt_and_a_packed_file(tmp_path: Path) -> None:
    images = read_references(str(EXCERPT), Fields()).images
    assert len(images) == 20
    assert all(len(image.texts) == 5 for image in images)
    packed = tmp_path / "coco.json.gz"
    packed.write_bytes(gzip.compress(EXCERPT.read_bytes()))
    assert read_references(str(packed), Fields()).images == images


def test_nocaps_tells_domains(tmp_path: Path) -> None:
    nocaps = {
        "images": [{"id": n, "file_name": f"{n:016x}.jpg", "domain": domain}
                   for n, domain in enumerate(("in-domain", "near-domain", "out-domain"))],
        "annotations": [{"image_id": n % 3, "id": n, "caption": f"caption {n}"} for n in range(6)],
    }  # fmt: skip
    images = read_references(_write(tmp_path / "nocaps.json", nocaps), Fields()).images
    assert [(image.group, image.texts) for image in images] == [
        ("in-domain", ["caption 0", "caption 3"]),
        ("near-domain", ["caption 1", "caption 4"]),
        ("out-domain", ["caption 2", "caption 5"]),
    ]


def test_splits_and_columns_that_are_named(tmp_path: Path) -> None:
    records = [{"pic": f"{n}.jpg", "said": f"text {n}", "split": "test" if n else "val"} for n in range(3)]
    path = _write(tmp_path / "own.json", records)
    images = read_references(path, Fields("said", "pic", ("test",))).images
    assert [(image.names, image.texts) for image in images] == [
        (("1.jpg",), ["text 1"]),
        (("2.jpg",), ["text 2"]),
    ]
    assert len(read_references(path, Fields("said", "pic", ("Validation",))).images) == 1
    with pytest.raises(UserError, match=r"no captions of split dev. The splits that it names: val, test"):
        read_references(path, Fields("said", "pic", ("dev",)))


def test_a_cell_with_an_empty_list_holds_no_caption(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image,caption\n1.jpg,\"['A dog.']\"\n2.jpg,[]\n")
    found = read_references(str(tmp_path / "a.csv"), Fields())
    assert [image.texts for image in found.images] == [["A dog."]]


def test_records_that_say_nothing_are_counted(tmp_path: Path) -> None:
    lines = [{"image": "a.jpg", "caption": "a dog"}, {"image": "b.jpg"}, {"caption": "a cat"}, [1]]
    lines.append({"image": "c.jpg", "caption": " "})
    path = tmp_path / "some.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "{broken\n")
    references = read_references(str(path), Fields())
    assert len(references.images) == 1
    assert references.unreadable == 5


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.xml", "<a/>", "understood are files that end in .json"),
        ("a.json", {"images": []}, "no captions of images that are named"),
        ("a.json", '{"annotations": [', "cannot be read"),
        ("a.txt", "A dog runs on the grass.\n", "is not understood from its first line on"),
        ("a.csv", "name,words\nx,y\n", "it must name the columns"),
        ("a.parquet", "no table", "cannot be read"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, file: str, content: Any, message: str) -> None:
    path = _write(tmp_path / file, content)
    with pytest.raises(UserError, match=message) as error:
        read_references(path, Fields())
    assert path in str(error.value)


def test_a_column_that_is_not_there_and_a_file_that_is_not(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.parquet", pa.table({"image": ["a.jpg"], "caption": ["a dog"]}))
    with pytest.raises(UserError, match=r"has no column said. Its columns: image, caption"):
        read_references(path, Fields("said"))
    with pytest.raises(UserError, match=r"gone.json cannot be read"):
        read_references(str(tmp_path / "gone.json"), Fields())
