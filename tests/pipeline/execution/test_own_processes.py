"""Processes are found by the mark they were started with, and no others are touched."""

import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from pipeline.execution.own_processes import end_marked, kill_marked, marked, marked_processes

_SLEEPS = "import time; time.sleep(600)"
_HEEDS_NOTHING = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); {_SLEEPS}"
_LEAVES_A_CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_SLEEPS!r}])"


@pytest.fixture
def another() -> Iterator[subprocess.Popen[bytes]]:
    """A process that this one started too, without the mark."""
    process = subprocess.Popen([sys.executable, "-c", _SLEEPS])
    yield process
    process.kill()
    process.wait()


def test_an_orphan_is_found_and_ended_and_another_is_left(another: subprocess.Popen[bytes]) -> None:
    with marked():
        subprocess.run([sys.executable, "-c", _LEAVES_A_CHILD], check=True)
    (orphan,) = marked_processes()
    end_marked(grace=0.1)
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    assert another.poll() is None


def test_one_that_heeds_nothing_is_killed(another: subprocess.Popen[bytes]) -> None:
    with marked():
        process = subprocess.Popen([sys.executable, "-c", _HEEDS_NOTHING], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as ready:
        ready.readline()
    end_marked(grace=0.1)
    assert process.wait(10) == -9
    assert another.poll() is None


def test_killed_at_once() -> None:
    with marked():
        process = subprocess.Popen([sys.executable, "-c", _SLEEPS])
    while not marked_processes():  # between fork and exec
        time.sleep(0.01)
    kill_marked()
    assert process.wait(10) == -9
