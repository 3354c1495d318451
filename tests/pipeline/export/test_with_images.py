"""webdataset.py, imagefolder.py, huggingface.py, dataset_card.py: images beside captions, as loaded."""

import json
from pathlib import Path
from typing import Any

import pytest
import webdataset
import yaml

from pipeline.export.export import ExportSummary
from tests.images import encoded, picture, write_tar
from tests.pipeline.export.runs import captioned, export, write_run
from tests.tables import table_of


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The library, without the hub."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
            patch.setenv(name, "1")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        import datasets

        datasets.disable_progress_bars()
        yield datasets


def _samples(tars: list[Path]) -> list[dict[str, Any]]:
    return list(webdataset.WebDataset([str(path) for path in tars], shardshuffle=False))


def _captions(run: str) -> dict[str, str]:
    table = table_of(run)
    pairs = zip(table["image_id"].to_pylist(), table["caption"].to_pylist(), strict=True)
    return {image_id: caption for image_id, caption in pairs if caption}


def _found(summary: ExportSummary) -> tuple[int, dict[str, int]]:
    return sum(summary.examples.values()), summary.left_out


def test_tars_pair_with_the_originals(run: str, archive: Path, tmp_path: Path) -> None:
    assert _found(export(run, tmp_path / "out", "webdataset")) == (11, {"with an error": 1})
    for name in ("part-000.tar", "part-001.tar"):
        originals = {sample["__key__"]: sample for sample in _samples([archive / name])}
        made = _samples([tmp_path / "out/train" / name])
        assert originals.keys() - {sample["__key__"] for sample in made} == (
            {"0003"} - {name} if "0.t" in name else set()
        )
        for sample in made:
            image = "jpg" if "jpg" in sample else "png"
            assert sample[image] == originals[sample["__key__"]][image]
            assert sample["txt"].decode() == _captions(run)[json.loads(sample["json"])["image_id"]]


def test_captions_alone_hold_no_image_and_read_none(run: str, archive: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "out", "webdataset", captions_only=True)
    (sample, *_) = _samples([tmp_path / "out/train/part-001.tar"])
    assert (sample["__key__"], sample["txt"]) == ("0000", b"a picture of part-001/0000")
    assert not {"jpg", "png"} & sample.keys()


def test_tars_of_so_many_images_in_splits_with_several_captions(run: str, tmp_path: Path) -> None:
    split = {"train": 0.5, "val": 0.5}
    summary = export(run, tmp_path / "out", "webdataset", per_file=2, split=split, captions=2)
    assert sum(summary.examples.values()) == 11
    for name, count in summary.examples.items():
        files = sorted((tmp_path / "out").glob(f"{name}-*.tar"))
        assert [len(_samples([file])) for file in files] == [2] * (count // 2) + [1] * (count % 2)
        for sample in _samples(files):
            told = json.loads(sample["json"])
            assert told["captions"] == [told["caption"], "it is bad"]


def test_keys_of_hostile_names_stay_in_the_tar(tmp_path: Path) -> None:
    names = (
        "../../up.jpg",
        "/etc/x.jpg",
        "a/./b.jpg",
        "IMG_1.2.jpg",
        "IMG_1_2.jpg",
        "x\ny.jpg",
        "é" * 150 + ".jpg",
    )
    write_tar(tmp_path / "in/a.tar", [(name, encoded(picture(n))) for n, name in enumerate(names)])
    summary = export(write_run(tmp_path / "run", tmp_path / "in"), tmp_path / "out", "webdataset")
    samples = _samples([tmp_path / "out/train/a.tar"])
    assert {json.loads(sample["json"])["image_id"] for sample in samples} == set(
        _captions(str(tmp_path / "run"))
    )
    keys = [sample["__key__"] for sample in samples]
    assert len(set(keys)) == len(names)
    assert not [key for key in keys if key.startswith("/") or ".." in key or "\n" in key]
    (note,) = summary.notes.items()
    assert note[0].startswith("keys differ from the source's")
    assert note[1] == 7  # of IMG_1.2 and IMG_1_2 the second, too


def _late_run(folder: Path, kinds: list[str]) -> str:
    """Images of these kinds in one tar, of which the last alone has a flag and metadata."""

    def fields(row: dict[str, Any]) -> dict[str, Any]:
        is_last = row["index"] == len(kinds) - 1
        late = {"flags": ["cut"], "metadata": '{"a": [1, "x"]}'} if is_last else {"flags": []}
        return {**captioned(row), **late}

    members = [
        (f"{number:04d}.{kind.lower()}", encoded(picture(number), kind)) for number, kind in enumerate(kinds)
    ]
    write_tar(folder / "in/a.tar", members)
    return write_run(folder / "run", folder / "in", fields, existing_caption="txt")


@pytest.mark.parametrize("kinds", [["JPEG", "PNG"] * 4, ["JPEG"] * 6 + ["PNG"] * 2], ids=["mixed", "late"])
def test_tars_of_several_kinds_of_images_are_loaded(tmp_path: Path, datasets: Any, kinds: list[str]) -> None:
    export(_late_run(tmp_path, kinds), tmp_path / "out", "webdataset", per_file=4)
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))["train"]
    assert set(loaded.column_names) == {"jpg", "png", "txt", "json", "__key__", "__url__"}
    there = [[name for name in ("jpg", "png") if row[name] is not None] for row in loaded]
    assert there == [["jpg" if kind == "JPEG" else "png"] for kind in kinds]
    assert loaded[7]["png"].tobytes() == picture(7).tobytes()
    assert loaded[7]["txt"] == "a picture of a/0007"
    told = [(row["json"]["flags"], row["json"]["metadata"]) for row in loaded]
    assert told == [([], {})] * 7 + [(["cut"], {"a": [1, "x"]})]


def test_tars_of_captions_alone_are_loaded(run: str, tmp_path: Path, datasets: Any) -> None:
    export(run, tmp_path / "out", "webdataset", captions_only=True)
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))["train"]
    assert set(loaded.column_names) == {"txt", "json", "__key__", "__url__"}
    assert {row["json"]["image_id"]: row["txt"] for row in loaded} == _captions(run)


def test_no_sample_is_hidden_from_readers(tmp_path: Path, datasets: Any) -> None:
    names = ("__a__/1.jpg", "__2.jpg", "_2.jpg", ".h/3.jpg", "..4.jpg")
    members = [(name, encoded(picture(number), "JPEG")) for number, name in enumerate(names)]
    for tar in ("__d/a.tar", "b.tar"):
        write_tar(tmp_path / "in" / tar, members)
    run = write_run(tmp_path / "run", tmp_path / "in")
    count = len(table_of(run))
    export(run, tmp_path / "out", "webdataset")
    assert len(_samples(sorted((tmp_path / "out").rglob("*.tar")))) == count
    assert (
        len(datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))["train"]) == count
    )


def test_imagefolder(run: str, tmp_path: Path, datasets: Any) -> None:
    export(run, tmp_path / "out", "imagefolder", per_file=4)
    assert not list((tmp_path / "out").rglob("metadata.jsonl"))
    assert len(list((tmp_path / "out/train").iterdir())) == 3
    loaded = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"))["train"]
    assert dict(zip(loaded["image_id"], loaded["caption"], strict=True)) == _captions(run)
    images = {row["image_id"]: row["image"] for row in loaded}
    assert images["part-000/0002"].tobytes() == picture(2).tobytes()


@pytest.mark.parametrize("per_file", [1, 2, 5])
def test_an_imagefolder_whose_first_rows_have_nulls_alone(
    tmp_path: Path, datasets: Any, per_file: int
) -> None:
    export(_late_run(tmp_path, ["JPEG"] * 6), tmp_path / "out", "imagefolder", per_file=per_file)
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))["train"]
    rows = {row["index"]: (row["flags"], row["metadata"]) for row in loaded}
    assert rows == {**dict.fromkeys(range(5), ([], None)), 5: (["cut"], '{"a": [1, "x"]}')}


def test_huggingface(run: str, tmp_path: Path, datasets: Any) -> None:
    summary = export(
        run, tmp_path / "out", "huggingface", per_file=6, split={"train": 0.7, "val": 0.3}, captions=None
    )
    loaded = datasets.load_dataset(str(tmp_path / "out"))
    assert {name: len(split) for name, split in loaded.items()} == summary.examples
    rows = [row for split in loaded.values() for row in split]
    assert {row["image_id"]: row["caption"] for row in rows} == _captions(run)
    first = next(row for row in rows if row["image_id"] == "part-001/0000")
    assert first["image"].tobytes() == picture(100).tobytes()
    assert first["captions"] == [first["caption"], "it is bad", "it is worse"]
    assert (tmp_path / "out/data/train-00000-of-00002.parquet").exists()


@pytest.fixture(scope="module")
def scored_run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """12 JPEGs with scores of two heads."""

    def scored(row: dict[str, Any]) -> dict[str, Any]:
        return {**captioned(row), "scores": [("image", 0.5), ("a b", 1.5)]}

    folder = tmp_path_factory.mktemp("scored")
    members = [(f"{number:04d}.jpg", encoded(picture(number), "JPEG")) for number in range(12)]
    write_tar(folder / "in/a.tar", members)
    return write_run(folder / "run", folder / "in", scored, score_heads={"image": "x", "a b": "y"})


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_table_whose_first_file_has_nulls_alone(tmp_path: Path, datasets: Any, form: str) -> None:
    export(_late_run(tmp_path, ["JPEG"] * 6), tmp_path / "out", form, per_file=4)
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))["train"]
    assert loaded["metadata"][:] == [None] * 5 + ['{"a": [1, "x"]}']
    assert loaded["index"][:] == list(range(6))


@pytest.mark.parametrize("form", ["webdataset", "imagefolder", "huggingface", "parquet", "jsonl", "csv"])
def test_splits_of_any_name_and_scores_are_loaded(
    scored_run: str, tmp_path: Path, datasets: Any, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    split = {"holdout": 0.3, "val": 0.3, "dev": 0.399, "empty": 0.001}
    summary = export(scored_run, tmp_path / "out", form, split=split, below=0.3)
    loaded = datasets.load_dataset(str(tmp_path / "out"))
    assert {"empty": 0, **{name: len(rows) for name, rows in loaded.items()}} == summary.examples
    assert not caplog.records
    first = loaded["dev"][0]
    scores = first["json"]["scores"] if form == "webdataset" else first["scores"]
    assert (json.loads(scores) if form == "csv" else scores) == {"image": 0.5, "a b": 1.5}


def test_the_card_says_that_captions_are_machine_made(run: str, tmp_path: Path) -> None:
    export(run, tmp_path / "out", "huggingface", where="caption <> '`| <b>' -- |")
    card = (tmp_path / "out/README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["annotations_creators"] == ["machine-generated"]
    assert front["license"] == "unknown"
    assert "| train | 11 |" in card
    assert "machine-made" in card
    assert "(fill in" in card
    assert str(tmp_path) not in card


def test_an_image_without_a_made_caption_keeps_its_own(tmp_path: Path, archive: Path) -> None:
    def own(row: dict[str, Any]) -> dict[str, Any]:
        return {"original_caption": "its own"} if row["index"] == 0 else captioned(row)

    run = write_run(tmp_path / "run", archive, own, existing_caption="txt", only_missing=True)
    export(run, tmp_path / "out", "webdataset")
    (sample, *_) = _samples([tmp_path / "out/train/part-000.tar"])
    assert sample["txt"] == b"its own"
