"""What ends a run on Ray says so on one line, and once it is fixed the same command resumes, here without
Ray."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.stages.registry import stages_of
from pipeline.stages.steps import resources_for
from pipeline.storage.files import locate
from tests.commands import maccap, run, run_here
from tests.faulty_proxy import Faults, FaultyProxy
from tests.images import write_shard
from tests.tables import table_of

CAPTIONING = stages_of(("caption",))

SHARDS, ROWS = 4, 10


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for number in range(SHARDS):
        write_shard(tmp_path / "archive" / f"scenes-{number:03d}.tar", ROWS, ROWS * number)
    return tmp_path / "archive"


@pytest.fixture
def options(tmp_path: Path, small_bundle: Path) -> list[str]:
    config = tmp_path / "job.json"
    config.write_text(
        json.dumps({"resources": resources_for(CAPTIONING, 1, 0).model_dump(exclude_unset=True)})
    )
    return ["--model", str(small_bundle), "--config", str(config), "--chunk-rows", "2"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that a few chunks fill."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _message(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode not in (0, 130), done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith(('{"progress"', "SOURCE "))]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_a_full_disk(archive: Path, options: list[str], small_disk: Path) -> None:
    command = maccap("caption", f"{archive}/*.tar", small_disk / "run", *options)
    message = _message(run(command))
    assert "the disk is full" in message
    assert str(small_disk) in message
    before = set(small_disk.glob("run/captions/*.parquet"))
    assert before

    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    done = run_here([*command, "--local"])
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["rows"], summary["errors"]) == (SHARDS * ROWS, 0)
    assert summary["new_rows"] < summary["rows"]


def test_credentials_that_expire(archive: Path, options: list[str], s3: FaultyProxy) -> None:
    filesystem, bucket = locate("s3://bucket")
    filesystem.put(str(archive), f"{bucket}/expiring", recursive=True)
    output = "s3://bucket/expired-run"
    command = maccap("caption", "s3://bucket/expiring/*.tar", output, *options)
    s3.faults = Faults(refuse_after=s3.counts["requests"] + 40, refusal=(400, "ExpiredToken"))
    message = _message(run(command))
    assert "ExpiredToken" in message
    assert "Renew them" in message

    s3.faults = Faults()
    done = run_here([*command, "--local"])
    assert done.returncode == 0, done.stderr
    table = table_of(output)
    assert len(set(table["image_id"].to_pylist())) == table.num_rows == SHARDS * ROWS
    assert table["error"].null_count == table.num_rows
