"""What is tried in a process of its own: an import that ends the process, or hangs, is then a finding."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from maccap.runtime import own_packages

_GRACE = 10.0  # seconds to end what it has started


class TrialError(Exception):
    """The last line that the process said, or how it ended."""


class NoAnswerError(TrialError):
    """It was still at work when its time was over."""


def try_module(module: str, *arguments: str, seconds: float) -> Any:
    """Run a module of this project; its last line on stdout is the answer, as JSON. Raises TrialError."""
    command = [sys.executable, "-P", str(Path(own_packages.__file__)), module, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            raise NoAnswerError(f"no answer within {seconds:g} seconds") from None
    said = out.decode("utf-8", "replace").splitlines()
    if process.returncode == 0 and said:
        return json.loads(said[-1])
    raise TrialError(_last_words(process.returncode, err.decode("utf-8", "replace")))


def _end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C does, so that a Ray that it started ends with it; then by force."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _last_words(code: int, err: str) -> str:
    if code < 0:  # of a crash in native code
        names = {number.value: number.name for number in signal.Signals}
        return f"the process was ended by {names.get(-code, f'signal {-code}')}"
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    return lines[-1] if lines else f"the process ended with code {code}"
