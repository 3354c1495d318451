"""A command's arguments, read as the command itself would read them, and written again."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import typer


@dataclass(frozen=True)
class Given:
    """One parameter that was given: its `name` in the command's function, and its values as text. An argument
    has no `flag`, a switch no values.
    """

    name: str
    flag: str | None
    values: tuple[str, ...]


def read_arguments(command: Callable[..., Any], name: str, arguments: Sequence[str]) -> list[Given]:
    """What is given of `command`'s parameters. Runs nothing; raises what Typer tells of a mistake."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    parser = typer.main.get_command(app)
    context = parser.make_context(name, list(arguments))
    return [
        _given(parameter, context.params[parameter.name])
        for parameter in parser.params
        if parameter.name and (source := context.get_parameter_source(parameter.name))
        if source.name == "COMMANDLINE"
    ]


def written(given: Iterable[Given]) -> list[str]:
    """The same as words of a command line."""
    options: list[str] = []
    arguments: list[str] = []
    for one in given:
        if one.flag is None:
            arguments += one.values
        else:
            options += [f"{one.flag}={value}" for value in one.values] or [one.flag]
    return [*options, *(["--"] if any(word.startswith("-") for word in arguments) else []), *arguments]


def _given(parameter: Any, value: Any) -> Given:
    values = tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)
    if parameter.param_type_name == "argument":
        return Given(parameter.name, None, values)
    if isinstance(value, bool):
        return Given(parameter.name, (parameter.opts if value else parameter.secondary_opts)[0], ())
    return Given(parameter.name, max(parameter.opts, key=len), values)
