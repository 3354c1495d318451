"""`maccap train` as a person runs it: a process of its own, alone or with a real Ray, tiny random models."""

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maccap import Captioner
from pipeline.train.history import History, StepRecord
from tests.commands import ctrl_c, interrupted, run, run_here
from tests.sentences import SENTENCES, write_sentences

STEPS = 60

Command = Callable[..., list[str]]


@pytest.fixture(scope="module")
def caption_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sentences(tmp_path_factory.mktemp("captions") / "captions.txt")


@pytest.fixture(scope="module")
def command(caption_file: Path, small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The same threads of torch wherever it runs, and so nearly the same bits."""
    config = tmp_path_factory.mktemp("config") / "train.json"
    training = {"steps": STEPS, "batch": 8, "learning_rate": 1e-3, "warmup": 10}
    worker = {"num_cpus": 0.3, "torch_threads": 1}
    settings = {"training": training, "worker": worker, "threads": 1, "held_out": 6}
    config.write_text(json.dumps({**settings, "checkpoint_every": 4, "evaluate_every": 20}))

    def build(output: Path, *options: str, cache: str = "cache") -> list[str]:
        places = [str(caption_file), str(output), "--init", str(small_bundle), "--config", str(config)]
        kept = ["--cache", str(config.parent / cache)]
        return [sys.executable, "-m", "jobs.train", *places, *kept, *options]

    return build


@pytest.fixture(scope="module")
def through(command: Command, tmp_path_factory: pytest.TempPathFactory) -> list[StepRecord]:
    """The steps of a run in one process that nothing interrupted."""
    output = tmp_path_factory.mktemp("through") / "bundle"
    done = run_here(command(output, "--local"))
    assert done.returncode == 0, done.stderr
    return History(str(output)).read()


def _interrupted(
    arguments: list[str], output: Path, files: int, interrupt: Callable[[subprocess.Popen[str]], None]
) -> subprocess.CompletedProcess[str]:
    """Start, and call `interrupt` once the figures of so many checkpoints are there."""
    return interrupted(arguments, lambda: len(list(output.glob("metrics/*.jsonl"))) >= files, interrupt)


def _assert_same_curve(output: Path, expected: list[StepRecord], tolerance: float) -> None:
    records = History(str(output)).read()
    assert [record.step for record in records] == [record.step for record in expected]
    for name in ("loss", "accuracy", "learning_rate"):
        assert [getattr(record, name) for record in records] == pytest.approx(
            [getattr(record, name) for record in expected], abs=tolerance
        )
    losses = [[r.held_out.loss for r in run if r.held_out] for run in (records, expected)]
    assert losses[0] == pytest.approx(losses[1], abs=tolerance)
    assert len(losses[0]) == 3


def test_stopped_and_killed_runs_resume_to_the_same_curve(
    tmp_path: Path, command: Command, through: list[StepRecord]
) -> None:
    output = tmp_path / "bundle"
    seed = secrets.randbits(32)
    print("seed", seed)  # pytest shows it where the test fails
    numbers = random.Random(seed)

    def kill(process: subprocess.Popen[str]) -> None:
        time.sleep(numbers.uniform(0, 0.3))
        process.kill()

    stop = numbers.randint(1, 4)
    stopped = _interrupted(command(output, "--local"), output, stop, ctrl_c)
    assert stopped.returncode == 130, stopped.stderr
    assert "the same command resumes" in stopped.stderr
    assert "Traceback" not in stopped.stderr

    there = len(list(output.glob("metrics/*.jsonl")))
    killed = _interrupted(command(output, "--local"), output, there + numbers.randint(1, 4), kill)
    assert killed.returncode == -signal.SIGKILL
    assert not (output / "_SUCCESS").exists()

    resumed = run_here(command(output, "--local"))
    assert resumed.returncode == 0, resumed.stderr
    summary = json.loads(resumed.stdout.splitlines()[-1])
    assert 0 < summary["new_steps"] < STEPS
    assert summary["newly_encoded"] == 0
    _assert_same_curve(output, through, 1e-5)


def test_on_ray_a_killed_worker_is_replaced_and_changes_nothing(
    tmp_path: Path, command: Command, through: list[StepRecord], photos: list
) -> None:
    """Features encoded by Ray Data, trained by Ray Train."""
    output = tmp_path / "bundle"
    done = _interrupted(
        command(output, cache="of-ray"), output, 2, lambda process: os.kill(_training_worker(process.pid), 9)
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["new_steps"], summary["newly_encoded"]) == (STEPS, len(SENTENCES))
    _assert_same_curve(output, through, 1e-5)
    assert not (output / ".ray").exists()
    assert isinstance(Captioner.from_pretrained(output).caption(photos[:1])[0].text, str)

    places = Path(command(output)[command(output).index("--cache") + 1]).parent
    files = [
        {path.name: path.read_bytes() for path in (places / name).glob("*/*")} for name in ("cache", "of-ray")
    ]
    assert files[0] == files[1]
    assert len(files[0]) == 3


def test_two_workers_learn_what_one_learns(tmp_path: Path, command: Command, caption_file: Path) -> None:
    """The same batch, shared out; without dropout, whose masks are each worker's own."""
    config = tmp_path / "train.json"
    config.write_text(json.dumps({**_settings(command), "adaptor": {"dropout": 0.0}}))
    options = ["--steps", "50", "--config", str(config)]
    one, two = tmp_path / "one", tmp_path / "two"
    done = [run_here(command(one, *options, "--local")), run(command(two, *options, "--workers", "2"))]
    assert [run.returncode for run in done] == [0, 0], done[1].stderr
    _assert_same_curve(two, History(str(one)).read(), 1e-3)


def _settings(command: Command) -> dict:
    arguments = command(Path("anywhere"))
    return json.loads(Path(arguments[arguments.index("--config") + 1]).read_text())


def _training_worker(ancestor: int) -> int:
    """The process of Ray's that trains, below `ancestor`."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            names[int(folder.name)] = (folder / "cmdline").read_bytes()
        except OSError:  # has just ended
            continue
        parents[int(folder.name)] = int(status[1])
    for process, name in names.items():
        above = process
        while above in parents and above != ancestor:
            above = parents[above]
        if above == ancestor and b"RayTrainWorker" in name:
            return process
    raise AssertionError("no worker trains")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--llm", "gpt2"], "--init brings its own language model"),
        (["--clip", "ViT-B-32", "--pretrained", "openai"], "has another CLIP"),
        (["--split", "val"], "no file names splits"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(
    tmp_path: Path, command: Command, options: list[str], message: str
) -> None:
    done = run_here(command(tmp_path / "bundle", "--local", *options))
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "bundle").exists()


def test_a_table_that_is_not_understood_is_refused_with_the_fix(tmp_path: Path, small_bundle: Path) -> None:
    table = tmp_path / "pairs.tsv"
    table.write_text("Ein Hund\tA dog\nEine Katze\tA cat\n")
    done = run_here(
        [sys.executable, "-m", "jobs.train", str(table), str(tmp_path / "out"), "--init", str(small_bundle)]
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {table} is from line 1 on a table")
    assert "--column 1 to --column 2" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_output_that_cannot_be_written_is_one_line(command: Command, caption_file: Path) -> None:
    done = run_here(command(caption_file / "below", "--local"))
    assert done.returncode == 2
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: OUTPUT")
    assert "Traceback" not in done.stderr
