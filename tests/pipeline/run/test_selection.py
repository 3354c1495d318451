from pathlib import Path

import pytest

from pipeline.run.selection import Selection, first_images
from pipeline.sources import Shard, plan_source, read_shard
from pipeline.storage.errors import UserError
from tests.images import write_shard


@pytest.mark.parametrize(
    ("text", "numbers"), [("0-3", [0, 1, 2, 3]), ("7", [7]), ("8-99", [8, 9]), ("5-6,0,5", [0, 5, 6])]
)
def test_shards_by_number(text: str, numbers: list[int]) -> None:
    assert Selection.parse(text, None).of(range(10)) == numbers


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
def test_partitions_are_all_shards_each_once(count: int) -> None:
    parts = [Selection.parse(None, f"{number}/{count}").of(range(10)) for number in range(1, count + 1)]
    assert sorted(number for part in parts for number in part) == list(range(10))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(
    ("shards", "partition", "message"),
    [
        ("a-b", None, "--shards takes numbers and ranges"),
        ("5-2", None, "--shards takes numbers and ranges"),
        ("10-20", None, "SOURCE has the shards 0 to 9"),
        (None, "0/4", "--partition takes i/n"),
        (None, "5/4", "--partition takes i/n"),
        (None, "half", "--partition takes i/n"),
        ("0-1", "1/2", "cannot be given together"),
    ],
)
def test_a_mistake_is_named(shards: str | None, partition: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Selection.parse(shards, partition).of(range(10))


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 8, 9])
def test_a_limit_takes_the_first_images_exactly(tmp_path: Path, limit: int) -> None:
    for number, samples in enumerate((3, 1, 4)):
        write_shard(tmp_path / f"s-{number}.tar", samples)
    plan = plan_source(f"{tmp_path}/*.tar")
    whole = [sample.image_id for shard in plan.shards for sample in read_shard(shard)]
    read: list[str] = []

    def unknown(shard: Shard) -> int | None:
        read.append(shard.id)
        return None

    chosen = first_images(plan.shards, limit, unknown)
    assert [sample.image_id for shard in chosen for sample in read_shard(shard)] == whole[:limit]
    assert len(read) == len(chosen)
    known = {"s-0.tar": 3, "s-1.tar": 1}
    assert first_images(plan.shards, limit, lambda shard: known.get(shard.id)) == chosen


def test_a_range_far_beyond_the_last_shard_takes_no_time() -> None:
    assert Selection.parse("3-99999999999,1", None).of(list("abcde")) == ["b", "d", "e"]
    with pytest.raises(UserError, match="selects none"):
        Selection.parse("9999999999-99999999999", None).of(list("abcde"))
