"""The jobs of a cluster, through its dashboard. No call lasts longer than its limit, whatever the network
does, and what is only a lost connection is told apart from an answer.
"""

import asyncio
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.storage.errors import RunError, UserError
from pipeline.storage.redact import describe
from pipeline.submit.address import check_dashboard, dashboard_address

if TYPE_CHECKING:
    from ray.job_submission import JobDetails

T = TypeVar("T")

_SECONDS = 60.0
_UPLOAD_SECONDS = 1800.0
_STATUS = re.compile(r"status code (\d+): (.*)", re.DOTALL)


class NoAnswerError(Exception):
    """The cluster could not be asked, or could not answer: it says nothing of any job."""


class UnknownJobError(Exception):
    """The cluster knows no job of this id."""


@contextmanager
def cluster_jobs(address: str | None) -> "Iterator[ClusterJobs]":
    """The jobs of the cluster at `address`, or where Ray's variables say. Raises UserError, and RunError
    where it does not answer.
    """
    place = dashboard_address(address)
    try:
        yield ClusterJobs(place)
    except NoAnswerError as error:
        raise RunError(f"the Ray cluster at {place} does not answer: {error}") from None


class ClusterJobs:
    """Jobs of the cluster whose dashboard is at `address`. Raises UserError where it cannot be entered, and
    `NoAnswerError` of any call.
    """

    def __init__(self, address: str) -> None:
        if check_dashboard(address):
            os.environ.setdefault("RAY_AUTH_MODE", "token")  # read as Ray is imported
        # Ray prefers its variable to the address that it is given
        os.environ["RAY_API_SERVER_ADDRESS"] = self.address = address
        from ray.job_submission import JobSubmissionClient

        logging.getLogger("ray.dashboard").setLevel(logging.ERROR)
        for name in list(logging.root.manager.loggerDict):
            if name.startswith("ray."):
                logging.getLogger(name).setLevel(logging.ERROR)
        self._client = self._ask(lambda: JobSubmissionClient(address))

    def submit(
        self,
        job: str,
        entrypoint: str,
        package: Path | None,
        variables: dict[str, str],
        metadata: dict[str, str],
    ) -> None:
        """Send the package, if any, and start the job of id `job`."""
        environment: dict[str, Any] = {"env_vars": variables}
        if package is not None:
            environment["working_dir"] = str(package)
        self._ask(
            lambda: self._client.submit_job(
                entrypoint=entrypoint, submission_id=job, runtime_env=environment, metadata=metadata
            ),
            _UPLOAD_SECONDS,
        )

    def all(self) -> "list[JobDetails]":
        return self._ask(self._client.list_jobs)

    def job(self, job: str) -> "JobDetails":
        """Raises UnknownJobError."""
        return self._ask(lambda: self._client.get_job_info(job))

    def stop(self, job: str) -> bool:
        """Ask the job to stop; whether it was running. Raises UnknownJobError."""
        return self._ask(lambda: self._client.stop_job(job))

    def log(self, job: str) -> str:
        """All that the job has printed. Raises UnknownJobError."""
        return self._ask(lambda: self._client.get_job_logs(job))

    def follow(self, job: str) -> "SimpleQueue[str | None]":
        """What the job has printed and prints, from the beginning; None once the stream has ended, for
        whatever reason.
        """
        pieces: SimpleQueue[str | None] = SimpleQueue()

        async def read() -> None:
            async for piece in self._client.tail_job_logs(job):
                pieces.put(piece)

        def run() -> None:
            with suppress(Exception):  # however the stream ends, the job's status is asked for
                asyncio.run(read())
            pieces.put(None)

        threading.Thread(target=run, daemon=True).start()
        return pieces

    def _ask(self, call: Callable[[], T], seconds: float = _SECONDS) -> T:
        """What `call` returns, in a thread of its own: Ray's client itself waits without end."""
        answers: SimpleQueue[tuple[T | None, Exception | None]] = SimpleQueue()

        def run() -> None:
            try:
                answers.put((call(), None))
            except Exception as error:
                answers.put((None, error))

        threading.Thread(target=run, daemon=True).start()
        try:
            found, error = answers.get(timeout=seconds)
        except Empty:
            raise NoAnswerError(f"no answer within {seconds:.0f} s") from None
        if error is not None:
            raise self._meant(error) from None
        return found  # type: ignore[return-value]

    def _meant(self, error: Exception) -> Exception:
        """What an error of Ray's client says."""
        from ray.exceptions import AuthenticationError

        text = str(error)
        if isinstance(error, AuthenticationError):
            wrong = "not the right one" if "Invalid" in text else "missing"
            return UserError(
                f"the Ray cluster at {self.address} wants its token, which is {wrong}. Set RAY_AUTH_TOKEN, "
                "or RAY_AUTH_TOKEN_PATH to a file, with what `ray get-auth-token` prints on the head node "
                "(of KubeRay's, the key auth_token of the Secret with the cluster's name)."
            )
        if found := _STATUS.search(text):
            code, said = int(found[1]), found[2].strip().rstrip(".").splitlines()
            last = said[-1] if said else ""
            if code == 404 and "does not exist" in text:
                return UnknownJobError(last)
            if 400 <= code < 500:
                return UserError(f"the Ray cluster at {self.address} refuses this ({code}): {last}")
            return NoAnswerError(f"{code} {last}")
        return NoAnswerError(describe(error))
