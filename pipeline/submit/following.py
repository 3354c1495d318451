"""A job's log until the job ends. That a stream closes or nothing answers says nothing of the job: its
status is asked for, again and again.
"""

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from queue import Empty

from pipeline.run.progress import live_line
from pipeline.storage.errors import RunError, UserError
from pipeline.storage.redact import printable
from pipeline.submit.client import ClusterJobs, NoAnswerError, UnknownJobError
from pipeline.submit.job_progress import JobProgress
from pipeline.submit.known_jobs import KnownJob, known

_ASK_SECONDS = 5.0
_SILENT_SECONDS = 60.0  # then the stream is opened anew: connections die without a word


class Follower:
    """Tells a job's log to `say`, each line once; progress as a live line where `live`."""

    def __init__(self, jobs: ClusterJobs, job: str, say: Callable[[str], object], live: bool = False) -> None:
        self._jobs, self._job, self._say, self._live = jobs, job, say, live
        self.progress = JobProgress()
        self._told = 0  # characters of the log
        self._line = ""
        self._lost = False

    def until_end(self) -> KnownJob:
        """The job as it ended. Raises RunError where the cluster no longer knows it."""
        with live_line(self.progress) if self._live else nullcontext():
            while True:
                if (ended := self._stream()) is not None:
                    self._rest()
                    return ended

    def _stream(self) -> KnownJob | None:
        """Read one stream to its end. The job, if that has ended too."""
        pieces, passed = self._jobs.follow(self._job), 0
        asked = heard = time.monotonic()
        while True:
            try:
                piece = pieces.get(timeout=1.0)
            except Empty:
                piece = ""
            now = time.monotonic()
            if piece:
                heard = now
                self._tell(piece[max(0, self._told - passed) :])
                passed += len(piece)
            if piece is None or now - asked > _ASK_SECONDS:
                asked, job = now, self._status()
                if job is not None and not job.going:
                    return job
                if piece is None:
                    if job is not None and job.status == "RUNNING" and passed:
                        self._say("the log's connection closed, and the job runs: opening it again")
                    time.sleep(1.0)
            if piece is None or now - heard > _SILENT_SECONDS:
                return None

    def _status(self) -> KnownJob | None:
        """None where nothing answers."""
        try:
            found = known(self._jobs.job(self._job))
        except NoAnswerError as error:
            if not self._lost:
                self._say(
                    f"{self._jobs.address} does not answer ({error}). The job may well go on: asking again"
                )
            self._lost = True
            return None
        except UnknownJobError:
            raise RunError(
                f"the cluster at {self._jobs.address} knows no job {self._job}: its head was started anew, "
                "or the job was deleted. What is written stays; submit the same command again to resume."
            ) from None
        if found is None:
            raise UserError(f"the job {self._job} was not sent by maccap submit: ray job logs {self._job}")
        if self._lost:
            self._say(f"{self._jobs.address} answers again: the job is {found.status}")
        self._lost = False
        return found

    def _rest(self) -> None:
        """What the stream had not brought when the job ended."""
        try:
            self._tell(self._jobs.log(self._job)[self._told :])
        except (NoAnswerError, UnknownJobError):
            self._say("the end of the log could not be read")
        if self._line:
            self._tell("\n")

    def _tell(self, text: str) -> None:
        self._told += len(text)
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            is_progress = self.progress.add(line)
            if not (is_progress and self._live):
                self._say(plain(line))


def plain(line: str) -> str:
    """A line of a log without what would command a terminal."""
    return "".join(
        c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in printable(line)
    )


def is_terminal() -> bool:
    return sys.stderr.isatty()
