"""`maccap stop RUN-OR-JOB`: end what runs on a cluster; what is written stays."""

import json
import time
from typing import TYPE_CHECKING

from jobs.logs import Job
from jobs.output import answer, say
from jobs.submit import Address

if TYPE_CHECKING:
    from pipeline.submit.client import ClusterJobs
    from pipeline.submit.known_jobs import KnownJob

_STOPS_WITHIN = 120.0  # seconds; a job has 60 to end by itself


def main(job: Job, address: Address = None) -> None:
    """Stop a job, or all jobs of an OUTPUT. What is written stays. The last line is JSON."""
    from pipeline.submit.client import cluster_jobs
    from pipeline.submit.known_jobs import known_among, named

    with cluster_jobs(address) as jobs:
        found = named(known_among(jobs.all()), job)
        going = [one for one in found if one.going]
        for one in going:
            jobs.stop(one.id)
        ended = [_ended(jobs, one) for one in going]
    if not going:
        say(f"nothing to stop: {found[-1].id} is {found[-1].status}")
    for one in ended:
        say(f"{one.id} is {one.status}")
    answer(json.dumps({"stopped": [one.facts() for one in ended]}))


def _ended(jobs: "ClusterJobs", job: "KnownJob") -> "KnownJob":
    """The job once it has ended. Raises RunError where it does not."""
    from pipeline.storage.errors import RunError
    from pipeline.submit.known_jobs import known

    deadline = time.monotonic() + _STOPS_WITHIN
    while time.monotonic() < deadline:
        now = known(jobs.job(job.id))
        if now is not None and not now.going:
            return now
        time.sleep(0.5)
    raise RunError(f"{job.id} was asked to stop and still runs: look at its log, maccap logs {job.id}")


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
