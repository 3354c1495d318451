"""Commands as a person runs them: processes of their own, the same wherever the tests run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
SCRIPTS = Path(sys.executable).parent
_STARTS_WITHIN = 300.0  # seconds until what a test waits for has happened


def maccap(*arguments: object) -> list[str]:
    """The command line of `maccap` in this checkout."""
    return [sys.executable, "-m", "jobs.cli", *map(str, arguments)]


def environment() -> dict[str, str]:
    """This process's, without what it sets for Ray and with one thread of torch, and so the same bits."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    return {**kept, "OMP_NUM_THREADS": "1", "PATH": f"{SCRIPTS}:{kept['PATH']}"}


def run(arguments: list[str], timeout: float = 400, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run to the end; `variables` are added to the environment."""
    return subprocess.run(
        arguments,
        check=False,
        cwd=REPOSITORY,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def interrupted(
    arguments: list[str], once: Callable[[], bool], interrupt: Callable[[subprocess.Popen[str]], None]
) -> subprocess.CompletedProcess[str]:
    """Start, call `interrupt` once `once` holds, and wait for the end."""
    with subprocess.Popen(
        arguments,
        cwd=REPOSITORY,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_heed_interrupts,
    ) as process:
        try:
            deadline = time.monotonic() + _STARTS_WITHIN
            while not once() and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            interrupt(process)
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def ctrl_c(process: subprocess.Popen[str]) -> None:
    """Interrupt the whole group, as a terminal does."""
    os.killpg(process.pid, signal.SIGINT)


def _heed_interrupts() -> None:
    """A process started in the background ignores Ctrl-C, and so would those it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
