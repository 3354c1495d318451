"""coco.py, vqa.py, registry.py, format.py: results for the tools of benchmarks, and what gives none."""

import json
from pathlib import Path

import pytest
from pycocotools.coco import COCO

from pipeline.storage.errors import UserError
from tests.images import encoded, picture, write_tar
from tests.pipeline.export.runs import Row, captioned, export, write_run

NUMBERS = (9, 25, 262148)


def _archive(folder: Path, names: list[str]) -> Path:
    write_tar(folder / "a.tar", [(name, encoded(picture(n))) for n, name in enumerate(names)])
    return folder


def _run(folder: Path, names: list[str]) -> str:
    return write_run(folder / "run", _archive(folder / "in", names))


def _coco(folder: Path, **names: str) -> COCO:
    """Annotations of the three images, with what results are evaluated against."""
    images = [{"id": number, "file_name": names.get(f"n{number}", f"{number}.jpg")} for number in NUMBERS]
    path = folder / "annotations.json"
    path.write_text(json.dumps({"images": images, "annotations": [], "info": {}, "type": "captions"}))
    return COCO(str(path))


def test_coco(tmp_path: Path) -> None:
    run = _run(tmp_path, [f"COCO_val2014_{number:012d}.jpg" for number in NUMBERS])
    export(run, tmp_path / "out", "coco")
    loaded = _coco(tmp_path).loadRes(str(tmp_path / "out/captions_results.json"))
    found = {one["image_id"]: one["caption"] for one in loaded.anns.values()}
    assert found == {n: f"a picture of a/COCO_val2014_{n:012d}" for n in NUMBERS}


def test_coco_with_the_images_listed(tmp_path: Path) -> None:
    run = _run(tmp_path, ["one.jpg", "two.jpg", "three.jpg"])
    _coco(tmp_path, n9="one.jpg", n25="two.jpg", n262148="three.jpg")
    export(run, tmp_path / "out", "coco", images=str(tmp_path / "annotations.json"))
    entries = json.loads((tmp_path / "out/captions_results.json").read_text())
    assert [(one["image_id"], one["caption"]) for one in entries] == [
        (9, "a picture of a/one"),
        (25, "a picture of a/two"),
        (262148, "a picture of a/three"),
    ]


def test_a_number_too_large_for_an_image(tmp_path: Path) -> None:
    run = _run(tmp_path, ["one.jpg"])
    images = [{"id": 2**63, "file_name": "one.jpg"}, {"id": True, "file_name": "two.jpg"}]
    (tmp_path / "images.json").write_text(json.dumps({"images": images}))
    with pytest.raises(UserError, match="has no `images` with an `id`"):
        export(run, tmp_path / "out", "coco", images=str(tmp_path / "images.json"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["one.jpg", "2.jpg"], "1 of 2 images have no COCO number, for instance a/one"),
        (["val/0007.jpg", "train/0007.jpg"], "2 images have the number 7"),
    ],
)
def test_images_that_are_no_numbers(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        export(_run(tmp_path, names), tmp_path / "out", "coco")
    assert not (tmp_path / "out").exists()


def _asked(ids: list[list[str]], tmp_path: Path) -> str:
    def fields(row: Row) -> Row:
        answers = [
            {
                "question_id": one,
                "question": "Who?",
                "answer": None if one == "3" else f"answer {one}",
                "logprob": -1.0,
            }
            for one in ids[row["index"]]
        ]
        return {**captioned(row), "answers": answers}

    return write_run(tmp_path / "run", _archive(tmp_path / "in", ["a.jpg", "b.jpg"]), fields, asks=True)


def test_vqa(tmp_path: Path) -> None:
    export(_asked([["1", "2"], ["3", "q4"]], tmp_path), tmp_path / "out", "vqa")
    assert json.loads((tmp_path / "out/vqa_results.json").read_text()) == [
        {"question_id": 1, "answer": "answer 1"},
        {"question_id": 2, "answer": "answer 2"},
        {"question_id": 3, "answer": ""},
        {"question_id": "q4", "answer": "answer q4"},
    ]


def test_ids_that_are_no_numbers_stay_apart(tmp_path: Path) -> None:
    ids = ["7", "007", "9" * 5000, "0"]
    export(_asked([ids, []], tmp_path), tmp_path / "out", "vqa")
    entries = json.loads((tmp_path / "out/vqa_results.json").read_text())
    assert [one["question_id"] for one in entries] == [7, "007", "9" * 5000, 0]


def test_questions_to_every_image_are_no_vqa_results(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="under one question's id"):
        export(_asked([["0"], ["0"]], tmp_path), tmp_path / "out", "vqa")


@pytest.mark.parametrize(
    ("form", "options", "message"),
    [
        ("vqa", {}, "made by `maccap ask`: this one has no answers"),
        ("tfrecord", {}, "--format tfrecord is not known. Choose one of\n  webdataset: tars"),
        ("coco", {"captions": 2}, "--captions: COCO's results have one caption"),
        ("parquet", {"captions": 2, "columns": "recap"}, "--captions: the columns of recap have one caption"),
        ("coco", {"per_file": 2}, "--per-file: coco is one file per split"),
        ("csv", {"captions_only": True}, "--captions-only is of webdataset, not of csv"),
    ],
)
def test_what_a_run_or_format_cannot_give(
    run: str, tmp_path: Path, form: str, options: dict, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        export(run, tmp_path / "out", form, **options)
