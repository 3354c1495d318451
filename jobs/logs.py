"""`maccap logs RUN-OR-JOB`: what a job on a cluster has printed, or prints as it goes on."""

import json
from typing import Annotated

import typer

from jobs.output import answer
from jobs.submit import Address, follow_to_end

Job = Annotated[
    str, typer.Argument(metavar="RUN-OR-JOB", help="A job's id, or the OUTPUT that was given to submit.")
]
Follow = Annotated[
    bool, typer.Option("--follow", help="Go on until the job ends, and end with its exit code.")
]


def main(job: Job, follow: Follow = False, address: Address = None) -> None:
    """Print a job's log, of an OUTPUT its last job's. The last line is JSON."""
    from pipeline.submit.client import cluster_jobs
    from pipeline.submit.following import plain
    from pipeline.submit.job_progress import progress_of
    from pipeline.submit.known_jobs import known_among, named

    with cluster_jobs(address) as jobs:
        found = named(known_among(jobs.all()), job)[-1]
        if follow:
            follow_to_end(jobs, found.id, address)
        log = jobs.log(found.id)
    for line in log.splitlines():
        answer(plain(line))
    progress = progress_of(log)
    answer(json.dumps({**found.facts(), "progress": progress.facts(), "answer": progress.last_json}))


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
