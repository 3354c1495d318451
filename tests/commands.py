"""Commands as a person runs them: processes of their own, the same wherever the tests run; or in this one,
which has imported torch already.
"""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path

import pytest

from jobs import ending
from jobs.cli import main, run_command

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


def run_here(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """The same in this process, of a command that starts no Ray: what it returns, and what it writes to
    `sys.stdout` and `sys.stderr`.
    """
    module = arguments[arguments.index("-m") + 1]
    given = arguments[arguments.index(module) + 1 :]
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heeded = [signal.getsignal(number) for number in signals]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", [module, *given])
        patch.setattr(ending, "_asked", threading.Event())  # else Ctrl-C would end the next one at once
        for hooks, name in ((threading, "excepthook"), (sys, "unraisablehook")):
            patch.setattr(hooks, name, getattr(hooks, name))  # as they are now, at the end
        try:
            with pytest.raises(SystemExit) as ended:
                main() if module == "jobs.cli" else run_command(import_module(module).main)
        finally:
            for number, handler in zip(signals, heeded, strict=True):
                signal.signal(number, handler)
    return subprocess.CompletedProcess(arguments, int(str(ended.value.code)), out.getvalue(), err.getvalue())


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
