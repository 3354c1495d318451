"""`maccap submit COMMAND ARGUMENT...`: run a command on a Ray cluster, from anywhere that reaches it."""

import importlib
import json
import shlex
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from jobs.output import answer, say

if TYPE_CHECKING:
    from maccap.config import Config
    from pipeline.submit.client import ClusterJobs
    from pipeline.submit.command_line import Given

CONTEXT_SETTINGS = {"ignore_unknown_options": True}  # they are the command's

Command = Annotated[
    str,
    typer.Argument(metavar="COMMAND", help="caption, ask, train, embed, evaluate, export, report or verify."),
]
Arguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ARGUMENT...]", help="As without submit. Local files that they name travel with the job."
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The cluster's dashboard; default: $RAY_API_SERVER_ADDRESS, $RAY_ADDRESS or "
        "http://127.0.0.1:8265.",
    ),
]
Env = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[=VALUE]",
        help="An environment variable for the job, with its value here or another; again for more. The "
        "cluster shows it to everyone who can open its dashboard.",
    ),
]
Installed = Annotated[
    bool, typer.Option("--installed", help="Use the cluster's own MacCap; default: this one travels.")
]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Return once the job is sent; default: follow it to its end.")
]


def main(
    command: Command,
    arguments: Arguments = None,
    address: Address = None,
    env: Env = None,
    installed: Installed = False,
    no_wait: NoWait = False,
) -> None:
    """Run a command as a job of a Ray cluster, and follow it. Ctrl-C leaves it running.

    The exit code is the job's, and the last line is JSON. Nothing else of this machine is sent but what the
    arguments name: no folder, no environment variable.
    """
    from maccap.bundle import Bundle, shipped_name
    from pipeline.storage.errors import UserError
    from pipeline.submit.address import dashboard_address
    from pipeline.submit.arguments import for_cluster, subject_of
    from pipeline.submit.client import cluster_jobs
    from pipeline.submit.known_jobs import check_alone, known_among, metadata, new_id
    from pipeline.submit.packing import own_files, pack
    from pipeline.submit.remote_commands import REMOTE_COMMANDS
    from pipeline.submit.variables import for_job, not_sent, sent_variables

    dashboard_address(address)  # a wrong one is refused before anything is read
    given = _checked(command, arguments or [])
    remote = REMOTE_COMMANDS[command]
    variables = sent_variables(env or [])
    there, sent = for_cluster(given, remote)
    subject = subject_of(given, remote)
    part = " ".join(f"{one.name} {one.values[0]}" for one in given if one.name in remote.part)
    named = [value for one in given for value in one.values if shipped_name(value)]
    try:
        for value in named:
            Bundle.open(value)
    except FileNotFoundError as error:
        raise UserError(str(error)) from None
    default = bool(remote.other_model) and not remote.other_model & {one.name for one in given}
    code = [] if installed else list(own_files(default or bool(named)))
    for line in sent.stays:
        say(f"not sent, so all of the cluster's machines must see it: {line}")
    with cluster_jobs(address) as jobs:
        if remote.writes:
            check_alone(known_among(jobs.all()), subject, part)
        job = new_id(command)
        with TemporaryDirectory() as folder:
            package = pack(Path(folder) / "package.zip", code, sent.content)
            say(_travels(package, len(sent.content), installed, list(variables)))
            if left := not_sent(variables):
                say(f"environment variables that stay here (--env NAME sends one): {', '.join(left)}")
            entrypoint = _entrypoint(command, there, installed, sent.lists)
            facts = metadata(command, subject, part, remote.writes)
            jobs.submit(job, entrypoint, package, for_job(variables), facts)
    say(f"{job} is sent to {jobs.address}")
    if no_wait:
        say(how_to_look(job, address))
        answer(json.dumps({"job": job, "status": "PENDING", "output": subject}))
        return
    follow_to_end(jobs, job, address)


def follow_to_end(jobs: "ClusterJobs", job: str, address: str | None) -> NoReturn:
    """Tell the job's log, and end as it does."""
    from pipeline.submit.following import Follower, is_terminal

    follower = Follower(jobs, job, say, is_terminal())
    try:
        ended = follower.until_end()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{job} goes on without this terminal. {how_to_look(job, address)}") from None
    answer(json.dumps({**ended.facts(), "answer": follower.progress.last_json}))
    sys.exit(_ending(ended.status, ended.exit_code, ended.message, job))


def how_to_look(job: str, address: str | None) -> str:
    """What a person may do with a job that goes on."""
    where = f" --address {shlex.quote(address)}" if address else ""
    return f"See it: maccap logs {job} --follow{where}; end it: maccap stop {job}{where}"


def _checked(command: str, arguments: list[str]) -> "list[Given]":
    """The arguments as the command reads them, with the checks that need no cluster. Raises UserError, and
    what Typer tells of a mistake.
    """
    from jobs.cli import COMMANDS
    from pipeline.execution.budget import Budget, Prices
    from pipeline.run.selection import Selection
    from pipeline.storage.errors import UserError
    from pipeline.submit.check_config import check_config
    from pipeline.submit.command_line import read_arguments
    from pipeline.submit.remote_commands import REMOTE_COMMANDS

    if command not in REMOTE_COMMANDS:
        known = "is for this machine" if command in COMMANDS else "is no command"
        raise UserError(f"maccap {command} {known}; a cluster runs {', '.join(REMOTE_COMMANDS)}")
    given = read_arguments(importlib.import_module(COMMANDS[command]).main, command, arguments)
    values = {one.name: one.values[0] for one in given if one.values}
    if any(one.name == "local" for one in given):
        raise UserError(f"{command} --local works without Ray, on one machine: leave --local out")
    Selection.parse(values.get("shards"), values.get("partition"))
    prices = Prices(*(_number(values.get(name)) for name in ("gpu_hour_price", "hour_price")))
    Budget(values.get("stop_after"), _number(values.get("max_cost")), prices)
    if "config" in values:
        check_config(_settings_of(command), Path(values["config"]))
    return given


def _settings_of(command: str) -> "type[Config]":
    if command == "train":
        from pipeline.train.config import TrainJobConfig

        return TrainJobConfig
    from pipeline.run.config import CaptionJobConfig

    return CaptionJobConfig


def _number(value: str | None) -> float | None:
    return None if value is None else float(value)


def _entrypoint(command: str, given: "list[Given]", installed: bool, lists: dict[str, str]) -> str:
    """The job's line for a shell."""
    from jobs.cli import COMMANDS
    from pipeline.submit.arguments import LISTS
    from pipeline.submit.command_line import written

    run = ["maccap", command] if installed else ["python", "-m", COMMANDS[command]]
    copies = [f"cp {shlex.quote(name)} {place}" for place, name in lists.items()]
    first = [f"mkdir -p {LISTS}", *copies] if lists else []
    return " && ".join([*first, f"exec {shlex.join([*run, *written(given)])}"])


def _travels(package: Path | None, files: int, installed: bool, variables: list[str]) -> str:
    named = [*([] if installed else ["MacCap"]), *([f"{files:,} files"] if files else [])]
    named += [f"${name}" for name in variables]
    size = f" ({package.stat().st_size / (1 << 20):.1f} MB)" if package else ""
    return f"sending {', '.join(named) or 'the command alone'}{size}"


def _ending(status: str, exit_code: int | None, message: str, job: str) -> int:
    """The job's exit code as this command's, told."""
    from jobs.ending import INTERRUPTED

    if status == "SUCCEEDED":
        return 0
    if status == "STOPPED":
        say(f"{job} was stopped. What is written stays; the same command resumes.")
        return INTERRUPTED
    first = " ".join(message.partition(", last available logs")[0].split())[:1000]
    say(f"{job} failed: {first or 'no reason is given'}")
    return exit_code if exit_code is not None and 0 < exit_code < 256 else 1


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
