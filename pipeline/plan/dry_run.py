"""`--dry-run`: what a command would work with and do first, resolved, with nothing started or written."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import yaml

from maccap.config import Config
from pipeline.execution.budget import Budget
from pipeline.plan.left import what_is_left
from pipeline.plan.this_machine import ThisMachine, cluster_address
from pipeline.prepare import prepare_run
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import CAPTIONS
from pipeline.run.selection import Selection
from pipeline.stages.resources import Resources
from pipeline.storage.redact import printable, redacted

_FIRST = 5  # files that are named


class NextFile(Config):
    """The first file that a shard lacks."""

    shard: str
    file: str


class DryRun(Config):
    """`facts` are what run.json would say. `resources` are None in this process, and on a cluster, to which
    they are fitted when it is joined.
    """

    computes: str
    facts: dict[str, Any]
    resources: dict[str, Any] | None
    accepted: list[str]
    shards: int
    shards_left: int
    rows_written: int
    files_written: int
    error_rows_to_redo: int
    first_files: list[NextFile]

    def as_yaml(self) -> str:
        document: str = yaml.safe_dump(
            self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100
        )
        return document


def dry_run(
    source: str,
    output: str,
    model: str,
    config: CaptionJobConfig,
    retry_errors: bool,
    selection: Selection,
    accept_changed: bool,
    say: Callable[[str], object],
    local: bool,
    budget: Budget | None = None,
) -> DryRun:
    """What `caption_archive` with these arguments would do. Raises UserError for what it would refuse."""
    machine = ThisMachine.look()
    run = prepare_run(source, output, model, config, lambda config: machine, say)
    if budget and (local or cluster_address() is None):
        budget.check(machine)
    left = what_is_left(run, selection, accept_changed, retry_errors)
    computes, resources = _where(run.config, machine, local)
    return DryRun(
        computes=computes,
        facts=run.stages.facts.public().model_dump(mode="json"),
        resources=resources.model_dump(mode="json", exclude_unset=True) if resources else None,
        accepted=left.changes.lines(),
        shards=len(left.shards),
        shards_left=len(left.unfinished),
        rows_written=left.rows_written,
        files_written=left.files_written,
        error_rows_to_redo=left.kept.errors if retry_errors else 0,
        first_files=[
            NextFile(
                shard=printable(shard.id), file=redacted(f"{run.stages.output}/{CAPTIONS}/{printable(name)}")
            )
            for shard, name in islice(left.next_files(), _FIRST)
        ],
    )


def _where(config: CaptionJobConfig, machine: ThisMachine, local: bool) -> tuple[str, Resources | None]:
    here = f"{machine.cpus} CPUs and {machine.gpus} GPUs"
    if local:
        return f"in this process, which has {here}", None
    if address := cluster_address():
        return (
            f"on the Ray cluster at {address}, which was not asked: a precision that is not set was chosen "
            f"for this machine, which has {here}"
        ), config.resources
    return f"on a Ray of this machine, which has {here}", machine.resources(config.resources, config.stages())
