"""Images that are gone or have changed since a run captioned them are counted, and shown."""

from pathlib import Path

import pytest

from pipeline.export.export import told
from pipeline.storage.errors import UserError
from tests.images import picture, write_shard
from tests.pipeline.export.runs import export, tars, write_run


def _images(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "train/00000").glob("*.png"))


def test_a_tar_that_changed(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", tars(tmp_path / "in"))
    write_shard(tmp_path / "in/part-000.tar", 6)
    summary = export(run, tmp_path / "out", "webdataset")
    assert (summary.examples, summary.lost) == ({"train": 6}, {"in a shard that is gone or has changed": 6})
    assert list(told(summary))[1] == (
        "6 images are in a shard that is gone or has changed, for instance part-000/0000, part-000/0001, "
        "part-000/0002. Caption it anew with --accept-changed, and export again"
    )


def test_a_tar_that_is_gone(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", tars(tmp_path / "in"))
    (tmp_path / "in/part-001.tar").unlink()
    assert export(run, tmp_path / "out", "webdataset").lost == {"in a shard that is gone or has changed": 6}
    assert export(run, tmp_path / "text", "jsonl").examples == {"train": 12}


def test_images_that_a_list_names_and_that_are_gone(tmp_path: Path) -> None:
    """The list itself is what it was; the images of rows that are not exported are not read."""
    for number in range(6):
        picture(number).save(tmp_path / f"{number}.png")
    (tmp_path / "coco.json").write_text(
        '{"images": [' + ", ".join(f'{{"id": {n}, "file_name": "{n}.png"}}' for n in range(6)) + "]}"
    )
    run = write_run(tmp_path / "run", tmp_path / "coco.json")
    (tmp_path / "1.png").unlink()
    (tmp_path / "4.png").write_bytes(b"")
    (tmp_path / "5.png").unlink()
    summary = export(run, tmp_path / "out", "imagefolder", where="index < 5")
    assert _images(tmp_path / "out") == ["00000_0_png.png", "00001_2_png.png", "00002_3_png.png"]
    assert (summary.lost, summary.first_lost) == ({"unreadable": 2}, {"unreadable": ["1.png", "4.png"]})


def test_a_source_that_is_gone(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", tars(tmp_path / "in"))
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"SOURCE .*/in does not exist"):
        export(run, tmp_path / "out", "huggingface")
    assert not (tmp_path / "out").exists()
