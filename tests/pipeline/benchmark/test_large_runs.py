"""Listings that listing_server.py makes up, read by the code that lists, plans and resumes."""

import pytest

from pipeline.benchmark import large_runs
from pipeline.benchmark.listing_server import CHUNKS, TARS, made_up_bucket, tar_name
from pipeline.chunk import parse_file_name, shard_file_stem
from pipeline.sources import plan_source
from pipeline.storage.folder import Folder


def test_all_pages_are_listed_planned_and_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_runs, "_FOOTERS", 20)
    with made_up_bucket(1, 1, large_runs.chunk_file()):  # another one of the same name, of before
        assert [shard.id for shard in plan_source(TARS).shards] == [tar_name(0)]
    with made_up_bucket(1001, 2, large_runs.chunk_file()):
        assert [shard.id for shard in plan_source(TARS).shards] == [tar_name(n) for n in range(1001)]
        names = Folder(CHUNKS).names()
        assert len(names) == 2002
        assert {key for name in names if (key := parse_file_name(name))} >= {
            (shard_file_stem(tar_name(1000)), position) for position in range(2)
        }
        steps = [*large_runs._planning(), *large_runs._listing(), *large_runs._totals(1001, 2)]
    assert [step.count for step in steps] == [1001, 1001, 1001, 2002, 20, 2002, 2002]
    assert all(step.name in step.line() for step in steps)
