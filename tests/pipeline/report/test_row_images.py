"""row_images.py, source_images.py, looked.py and thumbnails.py: images of the rows that are shown."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.report.chosen_rows import ShownRow
from pipeline.report.report import ReportConfig, write_report
from pipeline.report.row_images import add_images
from pipeline.report.source_images import source_images
from pipeline.sources import plan_source, read_shard
from tests.captions import run_facts
from tests.images import write_shard
from tests.pipeline.report.made_runs import captioned, data_of, write_run

CHANGED = (
    "Images that are not shown, as their shard is gone or has changed since "
    "(--accept-changed captions it anew)"
)


def test_each_row_has_its_own_thumbnail(report: Path, source: Path) -> None:
    rows = {row["id"]: row for row in data_of(report)["rows"]}
    assert sorted(row["image"] for row in rows.values() if "image" in row) == sorted(
        f"images/{path.name}" for path in (report / "images").iterdir()
    )
    assert "image" not in rows["gone.jpg"]
    assert "image" not in rows["0003.jpg"]
    for name in ("0000.jpg", "0001.jpg", "0011.jpg"):
        with Image.open(source / name) as whole, Image.open(report / rows[name]["image"]) as small:
            assert small.format == "WEBP"
            assert max(small.size) == 360
            assert small.width / small.height == pytest.approx(whole.width / whole.height, rel=0.01)
            expected = np.asarray(whole.convert("RGB").resize((8, 8)), float)
            assert np.abs(np.asarray(small.convert("RGB").resize((8, 8)), float) - expected).mean() < 12


def test_where_the_model_looked_is_in_numbers(report: Path) -> None:
    looked = next(row for row in data_of(report)["rows"] if row["id"] == "0001.jpg")["looked"]
    grid = looked["grid"]
    assert grid == 4
    assert len(looked["attention"]) == grid * grid
    assert {min(looked["attention"]), max(looked["attention"])} == {"0", "f"}
    assert len(looked["regions"]) == 4
    assert all(0 <= place < grid for patch in looked["salient"] for place in patch)
    left, top, width, height = looked["view"]  # of 40 x 90 pixels, the middle square
    assert (left, width) == (0, 1)
    assert top + height / 2 == pytest.approx(0.5)
    assert height == pytest.approx(40 / 90)


def test_what_is_gone_is_a_remark(source: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(source, tmp_path / "copy"))
    write_run(tmp_path / "run", copy, [captioned(n, "a dog here") for n in range(3)])
    shutil.rmtree(copy)
    summary = write_report(str(tmp_path / "run"), str(tmp_path / "page"), ReportConfig())
    assert summary.pictured == summary.looked == 0
    assert [remark.split(":")[0] for remark in summary.remarks] == [
        "Where the model looked is not shown",
        "Images are not shown",
    ]
    assert data_of(tmp_path / "page")["remarks"] == summary.remarks


def test_ids_that_two_shards_share_keep_their_own_images(source: Path, tmp_path: Path) -> None:
    for number in range(2):
        write_shard(tmp_path / "tars" / f"{number}.tar", 2, first_seed=10 * number)
    shards = {shard.id: shard for shard in plan_source(str(tmp_path / "tars")).shards}
    ids = {name: {n: s.image_id for n, s in enumerate(read_shard(one))} for name, one in shards.items()}
    images = {(shard, index): image for shard, index, image in source_images(shards, ids, 1 << 20)}
    assert len(images) == len(set(images.values())) == 4


def _not_shown(run: Path, page: Path) -> tuple[int, list[str]]:
    summary = write_report(str(run), str(page), ReportConfig(regions=False))
    return summary.pictured, summary.remarks


def test_an_image_that_changed_is_not_shown_beside_its_old_caption(source: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(source, tmp_path / "copy"))
    write_run(tmp_path / "run", copy, [captioned(n, "a dog here") for n in range(3)])
    assert _not_shown(tmp_path / "run", tmp_path / "before") == (3, [])
    shutil.copy(copy / "0005.jpg", copy / "0001.jpg")
    assert _not_shown(tmp_path / "run", tmp_path / "after") == (
        0,
        [f"{CHANGED}: 3 of 3"],
    )


@pytest.mark.parametrize("change", ["gone", "cut short"])
def test_a_shard_that_is_not_what_it_was_is_not_shown(change: str, tmp_path: Path) -> None:
    tars = [write_shard(tmp_path / f"tars/{n}.tar", 2, first_seed=10 * n) for n in range(2)]
    facts = run_facts(source=str(tmp_path / "tars"), max_pixels=1 << 20, max_bytes=1 << 20)
    planned = plan_source(facts.source).shards
    rows = [
        ShownRow({"shard": shard.id, "index": index, "image_id": sample.image_id}, [], None)
        for shard in planned
        for index, sample in enumerate(read_shard(shard))
    ]
    if change == "gone":
        tars[0].unlink()
    else:
        tars[0].write_bytes(tars[0].read_bytes()[:3000])
    rows[-1].fields["image_id"] = "of-another-image"
    work = add_images(rows, facts, planned, lambda name, data: None, with_regions=False)
    assert [row.image is not None for row in rows] == [False, False, True, False]
    assert work.remarks == [
        f"{CHANGED}: 2 of 4",
        "Images that are not shown, as they are gone from their place or cannot be read: 1 of 4",
    ]
