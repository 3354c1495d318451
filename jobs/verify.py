"""`maccap verify RUN`: read a run's table back and compare it with the source."""

import sys
from typing import Annotated

import typer

from jobs.output import answer, say

Run = Annotated[str, typer.Argument(metavar="RUN", help="The OUTPUT of `maccap caption`.")]
NoSource = Annotated[
    bool, typer.Option("--no-source", help="Check what can be checked without reading the source again.")
]


def main(run: Run, no_source: NoSource = False) -> None:
    """Check that a run holds every sample of its source once, in files that are whole. Exit code 1 if not.

    Each thing that is wrong is a line with the file and the fix; the last line is a summary as JSON.
    """
    import json

    from pipeline.run.progress import live_line
    from pipeline.verify import verify_run

    found = verify_run(run, not no_source, lambda problem: answer(problem), live_line)
    if found.unread_shards:
        say(f"{found.unread_shards:,} shards could not be read to their end; --retry-errors tries again.")
    say(f"{found.problems:,} problems in {found.run}" if found.problems else f"{found.run} is whole.")
    answer(json.dumps({"ok": not found.problems, **found.facts()}))
    if found.problems:
        sys.exit(1)


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
