"""`maccap status [RUN-OR-JOB]`: the jobs of a cluster, or one of them, and how far they are."""

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.output import answer
from jobs.submit import Address

if TYPE_CHECKING:
    from pipeline.submit.client import ClusterJobs
    from pipeline.submit.known_jobs import KnownJob

Job = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN-OR-JOB]", help="A job's id, or an OUTPUT; default: all that maccap submit sent there."
    ),
]


def main(job: Job = None, address: Address = None) -> None:
    """Show a cluster's jobs, the latest last, and how far they are. The last line is JSON.

    Of an OUTPUT without a job on this cluster, what its folder says.
    """
    from pipeline.submit.client import cluster_jobs
    from pipeline.submit.known_jobs import known_among, of_name

    with cluster_jobs(address) as jobs:
        found = known_among(jobs.all())
        if job is not None:
            found = of_name(found, job)
        if not found and job is not None:
            _of_folder(job)
            return
        told = [_with_progress(jobs, one) for one in found]
    if not told:
        answer("no jobs of maccap submit on this cluster")
    _table([line for line, _ in told])
    answer(json.dumps({"jobs": [facts for _, facts in told]}))


def _with_progress(jobs: "ClusterJobs", job: "KnownJob") -> tuple[tuple[str, ...], dict[str, Any]]:
    """A job's columns of the table, and its facts; how far it is, where it is going on."""
    from pipeline.submit.client import UnknownJobError
    from pipeline.submit.job_progress import JobProgress, progress_of

    progress = JobProgress()
    if job.going:
        with suppress(UnknownJobError):  # deleted just now
            progress = progress_of(jobs.log(job.id))
    started = f"{job.started:%Y-%m-%d %H:%M}" if job.started else ""
    command = f"{job.command} {job.part}".strip()
    columns = (job.id, command, job.subject, job.status, started, progress.line())
    return columns, {**job.facts(), "progress": progress.facts()}


def _table(rows: list[tuple[str, ...]]) -> None:
    """In columns as wide as they need to be."""
    if not rows:
        return
    titled = [("JOB", "COMMAND", "OUTPUT", "STATUS", "STARTED (UTC)", "PROGRESS"), *rows]
    widths = [max(map(len, column)) for column in zip(*titled, strict=True)]
    for row in titled:
        answer("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _of_folder(output: str) -> None:
    """Raises UserError where there is neither a job nor a run."""
    from pipeline.report.run_state import state_of
    from pipeline.run.run_folder import RunFolder
    from pipeline.storage.errors import UserError
    from pipeline.storage.redact import shown
    from pipeline.storage.urls import absolute

    folder = RunFolder(absolute(output))
    facts = folder.existing()
    if facts is None:
        raise UserError(
            f"the cluster has no job {shown(output)}, and there is no run in a folder of that name"
        )
    state = state_of(folder, facts, folder.planned() or [])
    rows = state.rows_expected
    told = "finished" if state.finished else "not finished"
    told += f", {state.shards_done:,} of {state.shards:,} shards"
    told += "" if rows is None else f", {'' if state.finished else 'about '}{rows:,} rows"
    answer(f"no job on this cluster; its folder: {told}")
    figures = {"shards": state.shards, "shards_done": state.shards_done, "rows_expected": rows}
    answer(json.dumps({"jobs": [], "output": shown(output), "finished": state.finished, **figures}))


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
