"""Verification reads every kind of source again as the run did, whatever part of it the run took."""

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.caption import caption_archive
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.execution.in_process import caption_in_process
from pipeline.prepare import open_bundle, run_facts
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import RunFolder
from pipeline.run.selection import Selection, first_images
from pipeline.sources import SourceOptions, plan_source
from pipeline.verify import Verification, verify_run
from tests.images import encoded, picture, write_shard, write_tar


def _caption(source: str, output: Path, model: Path, *partitions: str, **settings: object) -> None:
    """A whole run, or one in partitions, without Ray."""
    config = CaptionJobConfig(chunk_rows=2, **settings)
    bundle, plan = open_bundle(str(model)), plan_source(source, SourceOptions.of(config))
    facts = run_facts(source, plan, str(model), bundle, config, "float32")
    folder = RunFolder(str(output))
    folder.begin(facts)
    folder.pin(plan.shards)
    shards = first_images(plan.shards, config.limit, lambda _: None) if config.limit else plan.shards
    parts = [Selection.parse(None, partition) for partition in partitions or (None,)]
    shards = [shard for shard in shards if any(shard in part.of(shards) for part in parts)]
    stages = CaptionStages(str(output), bundle.pixel_spec(), facts, config, plan.columns)
    assert list(caption_in_process(stages, [ShardWork(shard) for shard in shards]))
    for selection in parts:
        caption_archive(source, str(output), str(model), config, selection=selection)


def _verify(run: Path, with_source: bool = True) -> tuple[list[str], Verification]:
    problems: list[str] = []
    return problems, verify_run(str(run), with_source, problems.append, nullcontext)


def _images(folder: Path, count: int = 5) -> list[str]:
    folder.mkdir()
    names = [f"{number}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(encoded(picture(number)))
    return names


def _coco(top: Path) -> tuple[str, dict[str, object]]:
    images = [{"file_name": name} for name in _images(top / "images")]
    (top / "list.json").write_text(json.dumps({"images": images}))
    return str(top / "list.json"), {"image_root": str(top / "images")}


def _parquet(top: Path) -> tuple[str, dict[str, object]]:
    names = _images(top / "images")
    pq.write_table(pa.table({"image": ["x"] * 5, "thumb": names}), top / "a.parquet")
    return str(top / "a.parquet"), {"image_root": str(top / "images"), "image_column": "thumb"}


def _listed(top: Path) -> tuple[str, dict[str, object]]:
    for number in range(2):
        write_shard(top / f"{number}.tar", 3 - number)
    (top / "shards.txt").write_text("1.tar\n0.tar\n")
    return f"@{top}/shards.txt", {}


def _limited(top: Path) -> tuple[str, dict[str, object]]:
    for number in range(3):
        write_shard(top / "tars" / f"{number}.tar", 3)
    return str(top / "tars"), {"limit": 5}


def _apart(top: Path) -> tuple[str, dict[str, object]]:
    """Members that stand apart, two images of one sample, and one that leaves too little room for itself."""
    images = [(f"{name}.jpg", encoded(picture())) for name in ("a", "b", "c.left", "c.right")]
    members = [*images, ("a.json", b"{}"), ("b.json", b"{}"), ("d.jpg", bytes(10_000))]
    return str(write_tar(top / "a.tar", members)), {"max_bytes": 9000}


@pytest.mark.parametrize("make", [_coco, _parquet, _listed, _limited, _apart])
def test_a_whole_run_of_any_source_has_no_problems(tmp_path: Path, small_bundle: Path, make) -> None:
    source, settings = make(tmp_path)
    _caption(source, tmp_path / "run", small_bundle, **settings)
    problems, found = _verify(tmp_path / "run")
    assert problems == []
    assert found.rows == 5
    assert found.errors == (make is _apart)


def test_a_run_in_partitions_is_whole_with_the_last(tmp_path: Path, small_bundle: Path) -> None:
    source, _ = _listed(tmp_path)
    _caption(source, tmp_path / "run", small_bundle, "1/2")
    problems, _ = _verify(tmp_path / "run")
    assert [problem.partition(" ")[2].partition(":")[0] for problem in problems] == [
        "is missing",
        "is missing",
    ]
    assert "_SUCCESS is missing" in problems[-1]
    _caption(source, tmp_path / "run", small_bundle, "1/2", "2/2")
    assert _verify(tmp_path / "run")[0] == []


def test_kept_features_are_checked_and_so_are_captions_made_from_them(
    tmp_path: Path, small_bundle: Path
) -> None:
    write_tar(
        tmp_path / "a.tar", [("0.jpg", b"no image"), *((f"{n}.jpg", encoded(picture(n))) for n in (1, 2, 3))]
    )
    kept, again = tmp_path / "kept", tmp_path / "again"
    _caption(str(tmp_path / "a.tar"), kept, small_bundle, keep_features=True)
    _caption(str(kept), again, small_bundle, seed=3)
    for run in (kept, again):
        problems, found = _verify(run)
        assert problems == []
        assert (found.rows, found.errors) == (4, 1)

    file = sorted((again / "captions").iterdir())[0]
    file.rename(file.with_name(file.name.replace("00000", "00002")))
    assert "00000.parquet is missing" in _verify(again)[0][0]

    altered = sorted((kept / "captions").iterdir())[0]
    table = pq.read_table(altered)
    features = table["features"].combine_chunks()
    values = np.array(features.flatten()) + np.float16(1)
    column = pa.FixedSizeListArray.from_arrays(pa.array(values), features.type.list_size)
    pq.write_table(table.set_column(table.column_names.index("features"), "features", column), altered)
    assert "holds other rows than were written" in _verify(kept, with_source=False)[0][0]
    pq.write_table(table.drop_columns("global"), altered)
    assert "it lacks global" in _verify(kept, with_source=False)[0][0]
