"""Rows set aside by ranges of a hash: all come back, in order, each from its range."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.questions.partitions import Partitions, hash_of, partition_of


def test_rows_come_back_from_their_range_in_order(tmp_path: Path) -> None:
    partitions = Partitions(tmp_path / "parts", 7)
    hashes = np.array([hash_of(str(n)) for n in range(1000)], np.uint64)
    for begin in range(0, 1000, 100):
        rows = slice(begin, begin + 100)
        partitions.add(pa.table({"hash": hashes[rows], "n": np.arange(1000)[rows]}))
    seen: list[int] = []
    for partition in range(7):
        numbers = [n for table in partitions.tables(partition) for n in table["n"].to_pylist()]
        assert numbers == sorted(numbers)
        assert {partition_of(int(hashes[n]), 7) for n in numbers} == {partition}
        seen += numbers
        partitions.remove(partition)
    assert sorted(seen) == list(range(1000))
    assert not list((tmp_path / "parts").iterdir())


def test_ranges_follow_the_hash() -> None:
    hashes = np.array([0, 1 << 62, 1 << 63, (1 << 64) - 1], np.uint64)
    assert partition_of(hashes, 3).tolist() == [partition_of(int(h), 3) for h in hashes] == [0, 0, 1, 2]


def test_an_empty_range(tmp_path: Path) -> None:
    assert list(Partitions(tmp_path / "parts", 2).tables(1)) == []
