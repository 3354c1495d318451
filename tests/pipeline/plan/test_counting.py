"""Rows of tars, Parquet and folders are counted exactly, and judged by size where time is short."""

import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.plan.counting import count_rows, spread
from pipeline.sources import plan_source
from pipeline.sources.sample import MAX_BYTES
from tests.images import encoded, picture, write_shard, write_tar


def _archive(folder: Path) -> Path:
    """Two tars, one of them cut short, an empty one, a Parquet file, one that is none, and 3 images."""
    write_shard(folder / "a.tar", 7)
    cut = write_shard(folder / "b.tar", 4)
    cut.write_bytes(cut.read_bytes()[:-12_000])
    write_tar(folder / "c.tar", [])
    pq.write_table(pa.table({"image": [encoded(picture(n)) for n in range(5)]}), folder / "d.parquet")
    (folder / "e.parquet").write_bytes(b"no Parquet")
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(encoded(picture(number)))
    return folder


def test_rows_are_those_that_a_run_makes(tmp_path: Path) -> None:
    shards = plan_source(str(_archive(tmp_path))).shards
    counts = count_rows(shards, MAX_BYTES, 60)
    assert counts.is_exact(shards)
    by_name = {shard.id: counts.rows[shard.id] for shard in shards if "." in shard.id}
    assert by_name == {"a.tar": 7, "b.tar": by_name["b.tar"], "c.tar": 0, "d.parquet": 5, "e.parquet": 1}
    assert 2 <= by_name["b.tar"] <= 5  # with the row that says it is cut short
    assert sum(counts.rows.values()) == 7 + by_name["b.tar"] + 5 + 1 + 3


def test_where_time_is_short_sizes_tell(tmp_path: Path) -> None:
    for number, rows in enumerate([40, 40, 40, 80]):
        write_shard(tmp_path / f"{number}.tar", rows)
    shards = plan_source(str(tmp_path)).shards
    counts = count_rows(shards, MAX_BYTES, 0)
    assert len(counts.rows) == 1
    assert not counts.is_exact(shards)
    assert 180 <= sum(map(counts.of, shards)) <= 220


def test_a_shard_that_takes_too_long_is_judged_by_its_beginning(tmp_path: Path) -> None:
    write_shard(tmp_path / "long.tar", 600)
    shards = plan_source(str(tmp_path)).shards
    clock = itertools.count()
    counts = count_rows(shards, MAX_BYTES, 1.5, lambda: next(clock))
    assert counts.rows == {}
    assert 400 <= counts.of(shards[0]) <= 900


def test_the_order_is_another_and_always_the_same(tmp_path: Path) -> None:
    for number in range(20):
        write_shard(tmp_path / f"{number:02d}.tar", 1)
    shards = plan_source(str(tmp_path)).shards
    assert spread(shards) == spread(shards) != shards
    assert sorted(shard.id for shard in spread(shards)) == [shard.id for shard in shards]
