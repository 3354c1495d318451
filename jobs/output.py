"""What a command answers, on stdout, and nothing else there: libraries, Ray and its workers print too."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from pipeline.run.log import LOG

_stdout: TextIO | None = None


@contextmanager
def stdout_kept() -> Iterator[None]:
    """While the block runs, only `answer` writes to the stdout that the command was given. What this process
    prints goes to stderr, and so does what those it starts print, to the end of this process.
    """
    global _stdout
    given = sys.stdout
    given.flush()
    _stdout = _copy(given)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout, _stdout = given, None


def stdout() -> TextIO:
    """The stdout that the command was given."""
    return _stdout or sys.stdout


def answer(text: str, end: str = "\n") -> None:
    """Write to the command's stdout."""
    print(text, end=end, file=stdout(), flush=True)


def say(message: str) -> None:
    """Tell a person something, on stderr; a log store, where lines are JSON."""
    if LOG.handlers:
        LOG.info(message)
    else:
        print(message, file=sys.stderr, flush=True)


def hush_downloads() -> None:
    """No progress bars of Hugging Face's for weights that are fetched and loaded, here and in processes that
    start from here: ours is the live line.
    """
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def _copy(given: TextIO) -> TextIO:
    """What writes where `given` did, whose own file now leads to stderr; itself where it has no file."""
    try:
        file, errors = given.fileno(), sys.stderr.fileno()
    except OSError:  # as in a notebook
        return given
    copy = os.fdopen(os.dup(file), "w", encoding=given.encoding, errors=given.errors)
    os.dup2(errors, file)
    return copy
