"""The members of one WebDataset sample, held to its limits as they come."""

import json
import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.redact import printable
from pipeline.sources.sample import IMAGE_EXTENSIONS
from pipeline.sources.tar import MemberError

_TEXT_EXTENSIONS = frozenset({"txt", "text", "cls"})
_MAX_TEXT = 4 << 20  # bytes of a text or JSON member: parsed, JSON may take twenty times its size


@dataclass(frozen=True)
class SampleMember:
    """A member's size and what reads it, or why it is not read; empty where nothing wants it."""

    size: int = 0
    read: Callable[[], bytes] = bytes
    problem: str | None = None


class SampleMembers:
    """The members of one sample by extension, of `max_bytes` together at most."""

    def __init__(self, key: str, max_bytes: int) -> None:
        self.key = key
        self._room = max_bytes
        self._members: dict[str, SampleMember] = {}

    def __contains__(self, extension: str) -> bool:
        return extension in self._members

    def add(self, extension: str, size: int, read: Callable[[], bytes], later: bool = False) -> None:
        """`read` is called at once, unless it can be `later`. Raises what it raises but MemberError, which is
        the member's problem.
        """
        self._room -= 512 + len(self.key) + len(extension)  # what a member takes without its content
        if self._room < 0:
            problem = f"the sample has {len(self._members)} members and more (max_bytes)"
            self._members.setdefault("", SampleMember(problem=problem))
            return
        self._members[extension] = self._member(extension, size, read, later)
        self._room -= self._members[extension].size

    def _member(self, extension: str, size: int, read: Callable[[], bytes], later: bool) -> SampleMember:
        if not (is_image(extension) or _is_text(extension)):
            return SampleMember()
        room, setting = (
            (self._room, " (max_bytes)") if is_image(extension) else (min(self._room, _MAX_TEXT), "")
        )
        if size > room:
            name = f"{posixpath.basename(self.key)}.{extension}"[-100:]
            problem = f"{name} has {size} bytes, more than the limit{setting}; it was not read"
            return SampleMember(problem=problem)
        if later:
            return SampleMember(size, read)
        try:
            content = read()
        except MemberError as error:
            return SampleMember(problem=str(error))
        return SampleMember(size, partial(bytes, content))

    @property
    def images(self) -> dict[str, SampleMember]:
        return {extension: member for extension, member in self._members.items() if is_image(extension)}

    @property
    def names(self) -> str:
        return (", ".join(sorted(self._members)) or "nothing")[:300]

    @property
    def problem(self) -> str | None:
        """Of any member but the images, which have their own."""
        others = (member for extension, member in self._members.items() if not is_image(extension))
        return next((member.problem for member in others if member.problem), None)

    def metadata(self) -> str | None:
        """The sample's JSON, untouched, NaN and doubled keys included; text members are put in front of it
        under their extension, unless that key is taken.
        """
        texts = {
            extension: member.read().decode("utf-8", "replace")
            for extension, member in self._members.items()
            if extension in _TEXT_EXTENSIONS and not member.problem
        }
        json_member = self._members.get("json")
        if json_member is None or json_member.problem:
            return _dump(texts) if texts else None
        text = json_member.read().decode("utf-8", "replace")
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            return _dump({**texts, "json": text})
        if not isinstance(fields, dict):
            return _dump({**texts, "json": fields})
        new = {name: value for name, value in texts.items() if name not in fields}
        if not new or not fields:
            return _dump(new) if new else text
        return f"{_dump(new)[:-1]}, {text.strip()[1:]}"


def is_image(extension: str) -> bool:
    return extension.rsplit(".", 1)[-1] in IMAGE_EXTENSIONS


def _is_text(extension: str) -> bool:
    return extension in _TEXT_EXTENSIONS or extension == "json"


def _dump(value: dict[str, Any]) -> str:
    # a lone surrogate, which JSON allows and UTF-8 does not, goes back to the \uXXXX it came from
    return printable(json.dumps(value, ensure_ascii=False))
