"""Also for output.py: A command ends whole, however it is asked to: no process is left, nothing but its
answer is on stdout.
"""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.commands import REPOSITORY, environment
from tests.images import write_shard

_MARK = "MACCAP_TEST_OF_ENDS"


def _heed_signals() -> None:
    """The tests themselves may run in the background, or under nohup, and so be deaf to these."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Started:
    """A command in a session of its own, whose processes can be told by a variable of their environment."""

    def __init__(self, arguments: list[str], folder: Path, **variables: str) -> None:
        self._mark = uuid.uuid4().hex
        self._process = subprocess.Popen(
            arguments,
            cwd=folder,
            env={**environment(), **variables, _MARK: self._mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_heed_signals,
        )

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(_MARK) == self._mark:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def send(self, number: signal.Signals) -> None:
        """To the whole group for Ctrl-C, as a terminal does; otherwise to the command alone."""
        if number == signal.SIGINT:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)

    def end(self) -> subprocess.CompletedProcess[str]:
        try:
            out, err = self._process.communicate(timeout=200)
        finally:
            self._process.kill()
        return subprocess.CompletedProcess("", self._process.returncode, out, err)


def _wait(until: Callable[[], Any], every: float = 0.3) -> None:
    deadline = time.monotonic() + 200
    while not until():
        assert time.monotonic() < deadline
        time.sleep(every)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    write_shard(tmp_path / "archive" / "scenes-000.tar", 8, 0)
    return tmp_path / "archive"


@pytest.fixture
def names_taken(tmp_path: Path) -> tuple[Path, str]:
    """A folder to start from and a PYTHONPATH, both with other modules of this project's names."""
    here, path = tmp_path / "here", tmp_path / "path"
    taken = [here / "pipeline.py", here / "jobs.py", here / "maccap.py"]
    taken += [path / "pipeline" / "__init__.py", path / "jobs" / "__init__.py", path / "caption.py"]
    for file in taken:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("raise SystemExit('another module of this name was imported')")
    return here, os.pathsep.join([str(path), str(REPOSITORY)])


def test_from_any_folder_with_any_path_and_nothing_stays(
    archive: Path, names_taken: tuple[Path, str], small_bundle: Path, tmp_path: Path
) -> None:
    """As the installed command does it: no part of the project is on the path that the user chose."""
    here, path = names_taken
    entry = "from maccap.__main__ import main; main()"
    command = [sys.executable, "-P", "-c", entry, "caption", f"{archive}/*.tar", str(tmp_path / "run")]
    started = Started([*command, "--model", str(small_bundle)], here, PYTHONPATH=path)
    listening: set[str] = set()

    def look() -> bool:
        for process in started.processes():
            try:
                connections = process.net_connections("tcp")
            except psutil.Error:
                continue
            listening.update(c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN)
        return started.ended

    _wait(look, every=1.0)
    done = started.end()
    assert done.returncode == 0, done.stderr
    assert started.processes() == []
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["captioned"] == 8
    assert listening
    assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


@pytest.mark.parametrize(
    ("signals", "once"),
    [([signal.SIGHUP], "StageActor"), ([signal.SIGTERM, signal.SIGINT], "gcs_server")],
    ids=["while it computes", "twice, while Ray starts"],
)
def test_asked_to_end(
    signals: list[signal.Signals], once: str, archive: Path, small_bundle: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "maccap", "caption", f"{archive}/*.tar", str(tmp_path / "run")]
    started = Started([*command, "--model", str(small_bundle)], REPOSITORY)
    _wait(lambda: any(once in " ".join(p.cmdline()) for p in started.processes()))
    for number in signals:
        started.send(number)
        time.sleep(0.2)
    done = started.end()
    assert done.returncode in (130, -signal.SIGINT)  # of both a shell says 130; Python exits deaf to signals
    assert started.processes() == []
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(signals) > 1 or "the same command resumes" in done.stderr


_STALLS = """
import json, os, time
from pipeline.execution.cluster import connect_to_ray, end_local_ray  # before Ray, as the command does
import ray
from pipeline.storage.errors import RunError
from pipeline.execution.ray_graph import results_of
from pipeline.execution.ray_operators import configure_ray_data
from pipeline.execution.watchdog import watched

def stuck(row):
    time.sleep(600)
    return row

connect_to_ray()
configure_ray_data()
results = results_of(ray.data.from_items([{"result": "a"}]).map(stuck))
try:
    next(watched(results, 1.0, str))
except RunError:
    pass
clean = end_local_ray()
time.sleep(2)
print(json.dumps({"clean": clean}), flush=True)
os._exit(0)
"""


def test_what_takes_results_is_left_to_end_with_the_process() -> None:
    started = Started([sys.executable, "-c", _STALLS], REPOSITORY)
    done = started.end()
    assert json.loads(done.stdout.splitlines()[-1]) == {"clean": False}, done.stderr
    assert started.processes() == []
    assert "Traceback" not in done.stderr


_PRINTS = """
import os, subprocess, sys
from jobs.cli import run_command
from jobs.output import answer

def main():
    print("a library prints")
    os.write(1, b"a C library prints\\n")
    subprocess.run(["echo", "a process prints"], check=True)
    answer("the answer")
    sys.__stdout__.write("what was buffered before")

run_command(main)
"""


_WAITS_ON = """
import threading, time
from pipeline.execution.cluster import connect_to_ray, end_local_ray
import ray

def sleep():
    time.sleep(600)

def wait_on():
    while True:
        ray.wait([never], timeout=0.01)

def fail():
    raise OSError("of another thread")

connect_to_ray()
never = ray.remote(sleep).remote()
waiting = threading.Thread(target=wait_on)  # as Ray Data's prefetching does
waiting.start()
end_local_ray()
waiting.join()
threading.Thread(target=fail).start()
"""


def test_a_thread_that_still_asks_ray_ends_without_a_word() -> None:
    done = Started([sys.executable, "-c", _WAITS_ON], REPOSITORY).end()
    assert "RaySystemError" not in done.stderr
    assert "of another thread" in done.stderr


def test_nothing_but_the_answer_is_on_stdout() -> None:
    done = Started([sys.executable, "-c", _PRINTS], REPOSITORY).end()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the answer\n"
    assert all(f"a {who} prints" in done.stderr for who in ("library", "C library", "process"))


def test_a_command_under_nohup_outlives_its_terminal() -> None:
    program = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + _PRINTS.replace(
        'answer("the answer")', 'os.kill(os.getpid(), 1); answer("the answer")'
    )
    done = Started([sys.executable, "-c", program], REPOSITORY).end()
    assert done.stdout == "the answer\n"
