"""Every command with its arguments and options, from the functions that Typer runs."""

import importlib
import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo, ParameterInfo

from docs.generate.tables import table
from jobs.cli import COMMANDS


@dataclass(frozen=True)
class Parameter:
    """An argument or option of a command."""

    name: str
    kind: Any
    info: ParameterInfo
    default: Any

    @property
    def is_argument(self) -> bool:
        return isinstance(self.info, ArgumentInfo)

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    def label(self) -> str:
        """As the first column has it: `SOURCE`, `--seed N`, `--local`."""
        if self.is_argument:
            return (self.info.metavar or self.name.upper()).strip("[]")
        # of an annotation, Typer keeps the first flag where a default would be
        first = self.info.default if isinstance(self.info.default, str) else None
        declared = [*filter(None, [first]), *(getattr(self.info, "param_decls", None) or ())]
        flags = "/".join(declared or [f"--{self.name.replace('_', '-')}"])
        return flags if self.kind is bool else f"{flags} {self.info.metavar or _value(self.kind)}"

    def help(self) -> str:
        """What it means, and what holds without it."""
        said = " ".join((self.info.help or "").split())
        plain = self.required or self.default in (None, False) or "efault:" in said
        return said if plain else f"{said} Default: `{self.default}`."


def commands() -> str:
    """A section for each command, in the order of `maccap --help`."""
    return "\n".join(
        _section(name, importlib.import_module(module).main) for name, module in COMMANDS.items()
    )


def _section(name: str, main: Callable[..., Any]) -> str:
    parameters = list(_parameters(main))
    arguments = [one for one in parameters if one.is_argument]
    options = [one for one in parameters if not one.is_argument]
    needed = [one.label() for one in options if one.required]
    usage = [one.label() if one.required else f"[{one.label()}]" for one in arguments] + needed
    usage += ["[OPTIONS]"] * (len(options) > len(needed))
    rows = [(f"`{one.label()}`", one.help()) for one in arguments + options]
    shown = table(["", ""], rows)
    return f"## {name}\n\n    maccap {name} {' '.join(usage)}\n\n{inspect.getdoc(main)}\n\n{shown}"


def _parameters(main: Callable[..., Any]) -> Iterator[Parameter]:
    hints = get_type_hints(main, include_extras=True)
    for name, parameter in inspect.signature(main).parameters.items():
        kind, *notes = get_args(hints[name]) if get_origin(hints[name]) is Annotated else [hints[name]]
        info = next((note for note in notes if isinstance(note, ParameterInfo)), OptionInfo())
        if not info.hidden:
            yield Parameter(name, _without_none(kind), info, parameter.default)


def _without_none(kind: Any) -> Any:
    if get_origin(kind) not in (Union, types.UnionType):
        return kind
    return next(part for part in get_args(kind) if part is not type(None))


def _value(kind: Any) -> str:
    """The word for what an option takes."""
    if get_origin(kind) is Literal:
        return "/".join(map(str, get_args(kind)))
    if get_origin(kind) is list:
        return _value(get_args(kind)[0])
    return {int: "N", float: "X", Path: "PATH"}.get(kind, "TEXT")
