"""`maccap plan` as a person runs it: lines, JSON last, nothing written, and mistakes told."""

import json
from pathlib import Path

import pytest

from jobs.plan import main
from pipeline.storage.errors import UserError
from tests.images import write_shard


def test_lines_and_json(tmp_path: Path, small_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_shard(tmp_path / "a.tar", 6)
    options = {"model": str(small_bundle), "images_per_second": 2.0, "machines": 3, "hour_price": 12.0}
    main(str(tmp_path), gpus=0, chunk_rows=4, **options)
    *lines, last = capsys.readouterr().out.splitlines()
    plan = json.loads(last)
    assert (plan["rows"], plan["rows_exact"], plan["files"]) == (6, True, 2)
    assert plan["effort"]["hours"] == 1 / 3600
    assert plan["effort"]["cost"] == pytest.approx(0.01)
    assert "rows            6 in 1 shard" in lines
    assert "cost            $0.01, which is $1,666.67 per million images" in lines
    assert any("about $100 per million" in line for line in lines)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_mistakes(tmp_path: Path, small_bundle: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        main(str(tmp_path / "none"), model=str(small_bundle))
    with pytest.raises(UserError, match="--images-per-second 0 is no number above 0"):
        main(str(tmp_path), images_per_second=0.0)
    with pytest.raises(UserError, match="give one of them"):
        main(str(tmp_path), gpu_hour_price=1.0, hour_price=1.0)
