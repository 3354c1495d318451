"""What a person names as SOURCE or CAPTIONS: a file, a folder, a pattern, `@FILE` with one of these on each
line, or several with `::` between them. Images and caption texts are named in the same ways.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.storage.errors import UserError
from pipeline.storage.files import file_kind, locate, read_bytes
from pipeline.storage.listing import GLOB, PATTERN, alternatives
from pipeline.storage.look_up import MISSING, look_up
from pipeline.storage.redact import shown
from pipeline.storage.urls import WEB, canonical, local_path, parent, scheme, split_list


@dataclass(frozen=True)
class Named:
    """One thing that is named. `unseen` is a file that was written out, of which its storage was not asked;
    a `pattern` has no braces any more. `written` says in a message how it was named.
    """

    url: str
    kind: Literal["file", "folder", "pattern", "unseen"]
    written: str


@dataclass(frozen=True)
class Expansion:
    """All that an argument names, in order; `alone` if that is the argument itself. `base` is the folder from
    which a pattern looks.
    """

    named: list[Named]
    alone: bool = False
    base: str | None = None


def expand(argument: str, role: str, is_file: Callable[[str], bool] = lambda url: False) -> Expansion:
    """What `argument` names; `role` is what messages call it. A web server is not asked about a URL that is
    one of a file by its name, as `is_file` tells: whether it is a folder would need all of its text.

    Raises UserError where nothing of that name is there, and OSError.
    """
    if argument.startswith("@") and not _is_in_a_name(argument, "@"):
        return Expansion(list(_of_list(argument[1:], role)))
    parts = split_list(argument)
    if len(parts) > 1 and not _is_in_a_name(argument, "::"):
        written = [named for part in parts for named in _written_out(part, shown(argument), role)]
        return Expansion(written)
    if is_pattern(argument):
        written = list(_alternatives(argument, shown(argument), role))
        return Expansion(written, base=parent(PATTERN.split(argument)[0]))
    kind = "file" if argument.startswith(WEB) and is_file(argument) else file_kind(*locate(argument))
    if kind is None:
        raise UserError(f"{role} {shown(argument)} does not exist. Check the path.")
    is_folder = kind == "directory"
    one = Named(argument, "folder" if is_folder else "file", shown(argument))
    return Expansion([one], alone=True, base=argument.rstrip("/") + "/" if is_folder else parent(argument))


def is_pattern(argument: str) -> bool:
    """A path that exists as written is no pattern, whatever characters its name holds."""
    if argument.startswith(WEB):
        return "{" in argument
    if not PATTERN.search(argument):
        return False
    return not Path(argument).exists() if "://" not in argument else look_up(argument).state == MISSING


def _is_in_a_name(argument: str, mark: str) -> bool:
    """Whether the mark is part of a path that is here, or of the folder of a pattern."""
    folder = PATTERN.split(argument)[0].rpartition("/")[0] if PATTERN.search(argument) else argument
    try:
        return mark in folder and Path(folder).exists()
    except OSError:  # a list may be longer than any name
        return False


def _of_list(path: str, role: str) -> Iterator[Named]:
    """The lines of a text file: paths relative to its folder, URLs, and patterns of both; # begins a
    comment.
    """
    try:
        content = read_bytes(*locate(path))
    except FileNotFoundError:
        raise UserError(f"{role} @{shown(path)} does not exist. Check the path of the list.") from None
    for line in map(str.strip, content.decode("utf-8-sig").splitlines()):
        if line and not line.startswith("#"):
            url = str(local_path(line)) if line.startswith("~") else canonical(line)
            url = url if scheme(url) or url.startswith("/") else parent(path) + url
            yield from _written_out(url, f"@{shown(path)} names {shown(line)}", role)


def _written_out(text: str, written: str, role: str) -> Iterator[Named]:
    if is_pattern(text):
        yield from _alternatives(text, written, role)
    else:
        yield Named(text, "unseen", written)


def _alternatives(text: str, written: str, role: str) -> Iterator[Named]:
    try:
        expanded = alternatives(text)
    except ValueError:
        raise UserError(f"{role} {shown(text)} has an opening brace without a closing one.") from None
    for url in expanded:
        yield Named(url, "pattern" if GLOB.search(url) and not url.startswith(WEB) else "unseen", written)
