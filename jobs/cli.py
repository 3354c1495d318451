"""The `maccap` command. Each subcommand is a module of this package with a function `main`.

To add one, write the module and add its line to `COMMANDS`. A module defines arguments and imports what it
runs inside its function, so that `maccap --help` answers at once and imports neither torch nor Ray.
"""

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

import typer

from jobs.ending import INTERRUPTED, end_process, heed_signals
from jobs.output import stdout_kept

COMMANDS = {
    "caption": "jobs.caption",
    "ask": "jobs.ask",
    "plan": "jobs.plan",
    "submit": "jobs.submit",
    "status": "jobs.status",
    "logs": "jobs.logs",
    "stop": "jobs.stop",
    "verify": "jobs.verify",
    "explain": "jobs.explain",
    "train": "jobs.train",
    "adapt": "jobs.adapt",
    "scenes": "jobs.scenes",
    "evaluate": "jobs.evaluate",
    "export": "jobs.export",
    "report": "jobs.report",
    "sheet": "jobs.sheet",
    "analyze": "jobs.analyze",
    "doctor": "jobs.doctor",
    "demo": "jobs.demo",
    "embed": "jobs.embed",
    "experiment": "jobs.experiment",
    "ablate": "jobs.ablate",
    "import": "jobs.import_authors",
    "benchmark": "jobs.benchmark",
    "benchmark-scale": "jobs.benchmark_scale",
    "benchmark-training": "jobs.benchmark_training",
}

USER_ERROR, RUN_ERROR = 2, 1


def main() -> None:
    """Entry point of `maccap`."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(_about)
    for name, module in COMMANDS.items():
        _add(app, importlib.import_module(module).main, name)
    _run(app)


def run_command(command: Callable[..., Any]) -> None:
    """Entry point of `python -m jobs.NAME`: the same command on its own."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    _add(app, command)
    _run(app)


def _add(app: typer.Typer, command: Callable[..., Any], name: str | None = None) -> None:
    """With its module's `CONTEXT_SETTINGS`, if it has any."""
    settings = getattr(sys.modules[command.__module__], "CONTEXT_SETTINGS", None)
    app.command(name, context_settings=settings)(_ends_plainly(command))


def _run(app: typer.Typer) -> None:
    heed_signals()
    try:
        app()
    except SystemExit as end:  # as Typer ends, always
        end_process(end.code)


def _ends_plainly(command: Callable[..., Any]) -> Callable[..., Any]:
    """`command` with exit code 2 for a mistake of the user's, 1 for a broken run and 130 when interrupted,
    each with one message and no traceback.

    Around the command and not around the app: Typer itself would end an interrupted one without a word.
    """
    from pipeline.storage.errors import RunError, UserError

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with stdout_kept():
                command(*args, **kwargs)
        except UserError as error:
            _fail(f"error: {error}", USER_ERROR)
        except RunError as error:
            _fail(f"the run broke: {error}", RUN_ERROR)
        except KeyboardInterrupt as stop:
            _fail(str(stop) or "interrupted", INTERRUPTED)

    return run


def _about() -> None:
    """Caption image archives of any size with a captioner trained on text alone."""


def _fail(message: str, code: int) -> None:
    from pipeline.run.log import LOG
    from pipeline.storage.redact import redacted

    if LOG.handlers:  # lines are JSON
        LOG.error(message)
    else:
        print(redacted(message), file=sys.stderr, flush=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
