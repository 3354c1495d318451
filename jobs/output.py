"""What a command answers, on stdout, and nothing else there: libraries, Ray and its workers print too."""

import os
import sys
from typing import TextIO

_stdout: TextIO | None = None


def keep_stdout() -> None:
    """From here on what this process and those it starts print goes to stderr; only `answer` writes to the
    stdout that the command was given.
    """
    global _stdout
    if _stdout is not None:
        return
    sys.stdout.flush()
    encoding, errors = sys.stdout.encoding, sys.stdout.errors
    _stdout = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding=encoding, errors=errors)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdout = sys.stderr


def stdout() -> TextIO:
    """The stdout that the command was given."""
    return _stdout or sys.stdout


def answer(text: str, end: str = "\n") -> None:
    """Write to the command's stdout."""
    print(text, end=end, file=stdout(), flush=True)
