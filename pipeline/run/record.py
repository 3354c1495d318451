"""The record of a run in its output folder, whatever it makes: facts first, markers last.

    run.json or train.json   first: all that decides what comes out
    summary.json             when everything is there: the totals
    _SUCCESS                 last

A second command with other facts is refused with what differs; one with the same facts resumes.
"""

import json
from collections.abc import Iterator
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import ValidationError

from maccap.config import Config
from pipeline.storage.errors import RunError, UserError
from pipeline.storage.folder import Folder
from pipeline.storage.redact import describe

SUMMARY_FILE = "summary.json"
SUCCESS_FILE = "_SUCCESS"


class Facts(Config):
    """What decides what a run makes, resolved: no defaults are left open."""

    may_differ: ClassVar[tuple[str, ...]] = ("version",)
    """Facts that a resume need not agree on: they are for people, or others tell the same."""

    def public(self) -> Self:
        """Without the secrets of any URL: what is recorded, and what is compared."""
        return self


F = TypeVar("F", bound=Facts)
S = TypeVar("S", bound=Config)


class RunRecord(Generic[F]):
    """A run's folder `url`, a path or fsspec URL, which holds `facts` in `file`. Raises UserError for a URL
    that cannot be opened. `kind` names the run in messages.
    """

    def __init__(self, url: str, file: str, facts: type[F], kind: str = "run") -> None:
        self._file, self._facts, self._kind = file, facts, kind
        try:
            self.top = Folder(url)
        except (ImportError, ValueError, OSError) as error:  # a filesystem that is not installed, or no such
            raise UserError(f"OUTPUT {url} cannot be opened: {describe(error)}") from None

    def recorded(self) -> F | None:
        """The facts of the run this folder holds, or None for a new folder. Raises UserError for any other
        folder.
        """
        if (facts := self.existing("OUTPUT")) is not None:
            return facts
        url = self.top.url
        try:
            there = [name for name in self.top.names() if not name.startswith(".")]
        except OSError as error:
            raise UserError(f"OUTPUT {url} cannot be opened: {describe(error)}") from None
        if self._file in there:  # another command was first, just now
            return self.existing("OUTPUT")
        if there:
            raise UserError(
                f"OUTPUT {url} is not empty and holds no {self._file}. Choose a new or an empty folder."
            )
        return None

    def existing(self, argument: str = "RUN") -> F | None:
        """The facts of the run this folder holds, or None for any other. Raises UserError, of the command's
        `argument`, where they cannot be read.
        """
        raw = None
        try:
            raw = self.top.read(self._file)
            return None if raw is None else self._facts.model_validate_json(raw)
        except ValidationError as error:
            raise UserError(self._unreadable(raw or b"", error)) from None
        except OSError as error:
            raise UserError(f"{argument} {self.top.url} cannot be opened: {describe(error)}") from None

    def check(self, facts: F) -> F | None:
        """The facts recorded here, as `recorded`. Raises UserError naming what differs where they are not
        `facts`.
        """
        recorded = self.recorded()
        if recorded is not None and (lines := differing(recorded, facts.public(), facts.may_differ)):
            raise UserError(
                f"OUTPUT {self.top.url} holds a {self._kind} with other settings:\n  "
                + "\n  ".join(lines)
                + "\nRepeat the command with the old ones to resume that run, or choose another OUTPUT."
            )
        return recorded

    def begin(self, facts: F) -> None:
        """Record a new run, or open the one here again, if it is of `facts`. Raises UserError.

        Of several commands that begin at once in one new folder, those with the facts of the first go on.
        """
        is_new = self.check(facts) is None
        try:
            self.top.make()
            self.top.remove(SUCCESS_FILE)
            if is_new:
                self.top.create(self._file, (facts.public().model_dump_json(indent=2) + "\n").encode())
        except OSError as error:
            raise UserError(f"OUTPUT {self.top.url} cannot be written: {describe(error)}") from None
        if is_new:  # or another command was first
            self.check(facts)

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the summary, and then the marker that the run is complete. Raises RunError."""
        try:
            self.top.write(SUMMARY_FILE, (json.dumps(summary, indent=2) + "\n").encode())
            self.top.write(SUCCESS_FILE, b"")
        except OSError as error:
            raise RunError(
                f"all work is done, but {self.top.url}/{SUMMARY_FILE} cannot be written: {describe(error)}. "
                "Put that right and start the same command again: it will only finish."
            ) from None

    def finished(self) -> bytes | None:
        """The summary of the run here if it is marked complete."""
        return self.top.read(SUMMARY_FILE) if self.top.read(SUCCESS_FILE) is not None else None

    def finished_summary(self, kind: type[S]) -> S | None:
        """The same as it was given, None also where it is damaged: the run is then finished once more."""
        try:
            stored = self.finished()
            return kind.model_validate_json(stored) if stored is not None else None
        except ValueError:
            return None

    def _unreadable(self, raw: bytes, error: ValidationError) -> str:
        first = error.errors()[0]
        return (
            f"{self.top.url}/{self._file} is not a {self._kind} this version can read "
            f"({'.'.join(map(str, first['loc']))}: {first['msg']}). Choose another OUTPUT."
        )


def differing(old: Config, new: Config, passed_over: tuple[str, ...] = ()) -> list[str]:
    """What is not the same in both, a line each; names in `passed_over` may differ."""
    return [
        f"{name}: was {_shown(before)}, now {_shown(now)}"
        for name, before, now in _pairs(old, new)
        if before != now and name not in passed_over
    ]


def _pairs(old: Config, new: Config, prefix: str = "") -> Iterator[tuple[str, object, object]]:
    for name in type(old).model_fields:
        before, now = getattr(old, name), getattr(new, name)
        if isinstance(before, Config) and isinstance(now, Config):
            yield from _pairs(before, now, f"{prefix}{name}.")
        else:
            yield prefix + name, before, now


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "nothing" if value is None else str(value)
