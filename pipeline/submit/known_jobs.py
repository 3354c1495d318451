"""The jobs of a cluster that were sent from here or elsewhere by `maccap submit`, by what they record."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from maccap import __version__
from pipeline.storage.errors import UserError
from pipeline.storage.redact import shown
from pipeline.submit.arguments import known_as

if TYPE_CHECKING:
    from ray.job_submission import JobDetails

_KEY = "maccap_"
GOING = ("PENDING", "RUNNING")


@dataclass(frozen=True)
class KnownJob:
    """`subject` is the OUTPUT, or the RUN, that the job is about; `part` of it, where several share it.
    `writes` tells whether it is written.
    """

    id: str
    command: str
    subject: str
    part: str
    writes: bool
    status: str
    started: datetime | None
    ended: datetime | None
    message: str
    exit_code: int | None

    @property
    def going(self) -> bool:
        return self.status in GOING

    def facts(self) -> dict[str, Any]:
        """For a program to read."""
        times = {"started": self.started, "ended": self.ended}
        return {
            "job": self.id,
            "command": self.command,
            "output": self.subject,
            "part": self.part or None,
            "status": self.status,
            **{name: time and time.isoformat(timespec="seconds") for name, time in times.items()},
            "exit_code": self.exit_code,
        }


def new_id(command: str) -> str:
    """As maccap-caption-20260131-1745-3f2a, of the time in UTC."""
    return f"maccap-{command}-{datetime.now(UTC):%Y%m%d-%H%M}-{secrets.token_hex(2)}"


def metadata(command: str, subject: str, part: str, writes: bool) -> dict[str, str]:
    """What a job records of itself."""
    facts = {"command": command, "subject": subject, "part": part, "writes": "yes" if writes else ""}
    return {f"{_KEY}{name}": value for name, value in {**facts, "version": __version__}.items()}


def known(details: "JobDetails") -> KnownJob | None:
    """None for a job of others."""
    recorded = details.metadata or {}
    if details.submission_id is None or f"{_KEY}command" not in recorded:
        return None
    return KnownJob(
        id=details.submission_id,
        command=shown(recorded[f"{_KEY}command"]),
        subject=shown(recorded.get(f"{_KEY}subject", "")),
        part=shown(recorded.get(f"{_KEY}part", "")),
        writes=bool(recorded.get(f"{_KEY}writes")),
        status=str(details.status),
        started=_time(details.start_time),
        ended=_time(details.end_time),
        message=details.message or "",
        exit_code=details.driver_exit_code,
    )


def known_among(jobs: Iterable["JobDetails"]) -> list[KnownJob]:
    """Ours, the earliest first."""
    ours = [job for job in map(known, jobs) if job is not None]
    return sorted(ours, key=lambda job: (job.started is None, job.started or datetime.now(UTC), job.id))


def named(jobs: Iterable[KnownJob], name: str) -> list[KnownJob]:
    """Those of this id or OUTPUT, in their order. Raises UserError where there are none."""
    found = of_name(jobs, name)
    if not found:
        raise UserError(
            f"the cluster has no job of maccap submit with the id or OUTPUT {shown(name)}: see maccap status"
        )
    return found


def of_name(jobs: Iterable[KnownJob], name: str) -> list[KnownJob]:
    """As `named`, or none."""
    place = known_as(name)
    return [job for job in jobs if name == job.id or place == job.subject]


def check_alone(jobs: Iterable[KnownJob], subject: str, part: str) -> None:
    """Raises UserError where one that is not ended writes the same: two would compute everything twice."""
    for job in jobs:
        if (
            job.going
            and job.writes
            and job.subject == subject
            and not (part and job.part and part != job.part)
        ):
            raise UserError(
                f"the job {job.id} ({job.command}, {job.status}) writes {subject} already. "
                f"See it: maccap logs {job.id} --follow; end it: maccap stop {job.id}"
            )


def _time(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
