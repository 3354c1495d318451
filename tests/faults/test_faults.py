"""A driver, workers and a node are killed, and every row is there once: the short form of `make soak`."""

from pathlib import Path

import pytest

from tests.faults.nodes import Nodes
from tests.faults.suite import Suite
from tests.images import write_shard
from tests.tables import differences

SHARDS, ROWS = 6, 24


@pytest.mark.timeout(900)
def test_nothing_is_lost_or_doubled_when_anything_dies(tmp_path: Path, small_bundle: Path) -> None:
    for number in range(SHARDS):
        write_shard(tmp_path / "archive" / f"scenes-{number:03d}.tar", ROWS, ROWS * number)
    with Nodes() as nodes:
        suite = Suite(nodes, str(tmp_path), small_bundle, tmp_path, seed=3)
        expected = suite.undisturbed()
        assert expected.num_rows == SHARDS * ROWS
        assert expected["error"].null_count == expected.num_rows
        suite.disturbed("disturbed", kills=4, between=(5.0, 9.0))
        assert suite.kills.total() > 0
        assert differences(expected, suite.table("disturbed")) == []
        assert suite.verified("disturbed") == ""
