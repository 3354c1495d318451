"""A dry run, and left.py and this_machine.py behind it: it says what would be done, refuses what a run would
refuse, and writes nothing.
"""

import json
from pathlib import Path

import pytest
import yaml

from pipeline.execution.budget import Size
from pipeline.plan.dry_run import DryRun, dry_run
from pipeline.plan.this_machine import ThisMachine
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import RunFolder
from pipeline.run.selection import Selection
from pipeline.storage.errors import UserError
from tests.images import write_shard
from tests.pipeline.plan.runs import begun, contents


def _dry(source: Path, output: Path, model: Path, *, local: bool = True, **settings: object) -> DryRun:
    accept = bool(settings.pop("accept_changed", False))
    selection = Selection.parse(str(part) if (part := settings.pop("shards", None)) else None, None)
    config = CaptionJobConfig(**{"chunk_rows": 2, **settings})
    return dry_run(
        str(source), str(output), str(model), config, False, selection, accept, lambda line: None, local
    )


@pytest.fixture
def tars(tmp_path: Path) -> Path:
    for number in range(3):
        write_shard(tmp_path / "tars" / f"{number}.tar", 5)
    return tmp_path / "tars"


def test_of_a_new_run(
    tmp_path: Path, tars: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    found = _dry(tars, tmp_path / "run", small_bundle, local=False, seed=3)
    assert not (tmp_path / "run").exists()
    assert (found.shards, found.shards_left, found.rows_written) == (3, 3, 0)
    assert found.facts["seed"] == 3
    assert found.facts["decoding"]["candidates"] == 4  # the bundle's own
    assert found.resources is not None
    assert found.resources["candidates"]["actors"] >= 1
    assert [first.shard for first in found.first_files] == ["0.tar", "1.tar", "2.tar"]
    assert found.first_files[0].file.startswith(f"{tmp_path}/run/captions/0-")
    assert yaml.safe_load(found.as_yaml()) == json.loads(found.model_dump_json())
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    found = _dry(tars, tmp_path / "run", small_bundle, local=False)
    assert "cluster at 10.0.0.1:6379, which was not asked" in found.computes
    assert found.resources is None


def test_of_a_run_that_was_begun(tmp_path: Path, tars: Path, small_bundle: Path) -> None:
    output = begun(tars, tmp_path / "run", small_bundle)
    next(output.glob("captions/1-*.00001.parquet")).unlink()
    before = contents(output)
    found = _dry(tars, output, small_bundle)
    assert (found.shards, found.shards_left, found.rows_written, found.files_written) == (3, 1, 13, 8)
    assert [first.file[-14:] for first in found.first_files] == [".00001.parquet"]
    assert _dry(tars, output, small_bundle, shards="0").first_files == []
    with pytest.raises(UserError, match="seed: was 0, now 1"):
        _dry(tars, output, small_bundle, seed=1)
    write_shard(tars / "0.tar", 6)
    with pytest.raises(UserError, match="1 changed"):
        _dry(tars, output, small_bundle)
    found = _dry(tars, output, small_bundle, accept_changed=True)
    assert found.accepted == ["1 changed: 0.tar"]
    assert [first.shard for first in found.first_files] == ["0.tar", "1.tar"]
    assert found.rows_written == 8
    assert contents(output) == before
    assert RunFolder(str(output)).finished() is None


def test_requests_that_this_machine_cannot_grant(tmp_path: Path, tars: Path, small_bundle: Path) -> None:
    many = {"num_cpus": 4000.0}
    models = dict.fromkeys(("features", "candidates", "rerank"), many)
    resources = {"read": many, "write": many, "decode": many, **models}
    with pytest.raises(UserError, match="the stages ask for 24000 CPUs"):
        _dry(tars, tmp_path / "run", small_bundle, local=False, resources=resources)


def test_a_machine_with_gpus() -> None:
    machine = ThisMachine(cpus=8, gpus=2)
    assert (machine.has_gpu, machine.size, machine.in_process.num_gpus) == (True, Size(1, 2), 1)
