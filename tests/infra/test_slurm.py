"""infra/slurm/caption.sbatch, run by bash as Slurm does, with commands of the test's own where it has maccap
and scontrol.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.infra.validate import INFRA, lint

SCRIPT = INFRA / "slurm/caption.sbatch"
TASK = {
    "SLURM_ARRAY_JOB_ID": "77",
    "SLURM_ARRAY_TASK_ID": "3",
    "SLURM_ARRAY_TASK_MAX": "8",
    "SLURM_CPUS_PER_TASK": "16",
    "SLURM_MEM_PER_NODE": "65536",
}


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """Commands that say what they were given; `maccap` goes on until told to end, where SOURCE is `long`."""
    maccap = f"""#!/usr/bin/env bash
        trap 'echo interrupted; exit 130' TERM
        echo "$@" "$RAY_OVERRIDE_RESOURCES" > {tmp_path}/given
        [[ $2 != broken ]] || exit 1
        [[ $2 != long ]] || while :; do sleep 0.02; done
    """
    for name, text in {"maccap": maccap, "scontrol": f'#!/bin/sh\necho "$@" > {tmp_path}/requeued\n'}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def start(folder: Path, *arguments: str, **task: str) -> "subprocess.Popen[str]":
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", **TASK, **task}
    return subprocess.Popen(
        ["bash", str(SCRIPT), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_shellcheck_is_content() -> None:
    lint("shellcheck", SCRIPT)


@pytest.mark.parametrize(
    ("task", "partition"),
    [({}, "3/8"), ({"SLURM_ARRAY_TASK_MAX": "7", "PARTITIONS": "16"}, "3/16")],
)
def test_each_task_takes_its_part_and_its_cpus(
    bin_folder: Path, task: dict[str, str], partition: str
) -> None:
    process = start(bin_folder, "photos", "captions", "--hash", **task)
    assert process.wait() == 0, process.communicate()
    given = (bin_folder / "given").read_text()
    assert given.startswith(f"caption photos captions --hash --partition {partition} ")
    assert given.endswith('{"CPU": 16, "object_store_memory": 17179869184}\n')


@pytest.mark.parametrize(("number", "requeued"), [(signal.SIGUSR1, True), (signal.SIGTERM, False)])
def test_out_of_time_is_queued_again_and_cancelled_is_not(
    bin_folder: Path, number: signal.Signals, requeued: bool
) -> None:
    process = start(bin_folder, "long", "captions")
    while not (bin_folder / "given").exists():
        time.sleep(0.01)
    process.send_signal(number)
    said = process.communicate()[0]
    assert process.returncode == 130
    assert "interrupted" in said
    assert (bin_folder / "requeued").exists() == requeued
    if requeued:
        assert (bin_folder / "requeued").read_text() == "requeue 77_3\n"


def test_a_broken_run_stays_broken(bin_folder: Path) -> None:
    assert start(bin_folder, "broken", "captions").wait() == 1
    assert not (bin_folder / "requeued").exists()


@pytest.mark.parametrize(
    ("arguments", "task", "says"),
    [
        (["photos"], {}, "usage: sbatch"),
        (["photos", "captions"], {"SLURM_ARRAY_TASK_ID": "0"}, "sbatch --array=1-8"),
        (["photos", "captions"], {"PARTITIONS": "2"}, "sbatch --array=1-2"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    bin_folder: Path, arguments: list[str], task: dict[str, str], says: str
) -> None:
    process = start(bin_folder, *arguments, **task)
    assert says in process.communicate()[0]
    assert process.returncode == 2
