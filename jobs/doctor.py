"""`maccap doctor [URL ...]`: what works on this machine, what does not, and what to do about it."""

import json
import sys
from typing import Annotated

import typer

from jobs.output import answer, say

Urls = Annotated[
    list[str] | None, typer.Argument(metavar="[URL ...]", help="Paths and URLs that a run is to read.")
]
Write = Annotated[
    list[str] | None,
    typer.Option(metavar="URL", help="A folder that a run is to write; may be given several times."),
]
StartRay = Annotated[bool, typer.Option("--ray", help="Start Ray, or join RAY_ADDRESS's, and run a task.")]
AsJson = Annotated[bool, typer.Option("--json", help="Add a last line with all of it as JSON.")]


def main(
    urls: Urls = None, write: Write = None, start_ray: StartRay = False, as_json: AsJson = False
) -> None:
    """Check Python, packages, models, Ray, limits and storage, a line each. Exit code 1 on a fault.

    `--write` writes a small file and removes it.
    """
    from pipeline.doctor.access import few_tries
    from pipeline.doctor.check import run_checks
    from pipeline.doctor.registry import checks

    found = []
    with few_tries():
        for name, finding in run_checks(checks(urls or (), write or (), start_ray)):
            answer(f"{finding.status:<9} {name}: {finding.text}")
            if finding.fix:
                answer(f"{'':<9} fix: {finding.fix}")
            found.append({"check": name, **finding._asdict()})
    faults, warnings = (sum(each["status"] == status for each in found) for status in ("fault", "warning"))
    say(f"faults: {faults}, warnings: {warnings}")
    if as_json:
        answer(json.dumps({"ok": not faults, "faults": faults, "warnings": warnings, "checks": found}))
    if faults:
        sys.exit(1)


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
