"""The arguments of a command as the cluster will understand them: local files travel, and are renamed to
where they will lie there; other local paths are made absolute, and told of.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.run.config import read_settings
from pipeline.storage.errors import UserError
from pipeline.storage.listing import PATTERN
from pipeline.storage.redact import redacted, shown
from pipeline.storage.urls import absolute, canonical, local_path, scheme, split_list
from pipeline.submit.command_line import Given
from pipeline.submit.remote_commands import KEYWORDS, NAMES_TOO, RemoteCommand

MOST_BYTES = 64 << 20
"""Of what one argument names. The dashboard takes packages of up to 100 MB."""
FOLDER = "files"
"""Of the package: relative to where the job runs."""
LISTS = "~/.cache/maccap/lists"
"""Of the head node, where a list of sources is copied before the command starts."""
_PATHS_OF_CONFIGS = {
    "questions_file": "file", "image_root": "place", "cache": "place", "noise_covariance": "place",
}  # fmt: skip
_NO_PATHS = {"noise_covariance": ("isotropic", "paraphrases")}


@dataclass
class SentFiles:
    """`content` by names relative to the package's root: files, or bytes. Lists of sources lie at one place,
    whatever package brought them, since a run records where its list lay: `lists` are these places, each
    with its name in the package.
    """

    content: dict[str, Path | bytes] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    stays: list[str] = field(default_factory=list)
    """What the cluster has to find by itself, a line each."""

    def add(self, name: str, content: Path | bytes) -> str:
        """Returns the name that `content` has in the package."""
        plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[-100:].lstrip(".-") or "file"
        place = f"{FOLDER}/{len(self.content)}-{plain}"
        self.content[place] = content
        return place


def for_cluster(given: Iterable[Given], command: RemoteCommand) -> tuple[list[Given], SentFiles]:
    """The arguments renamed, and the files that have to travel. Raises UserError for a file that is not
    there, and for credentials in an argument.
    """
    sent = SentFiles()
    renamed = [
        replace(one, values=tuple(_renamed(one.name, value, command, sent) for value in one.values))
        for one in given
    ]
    return renamed, sent


def subject_of(given: Iterable[Given], command: RemoteCommand) -> str:
    """The place by which the job is known, as it is recorded and asked for."""
    [place] = [one.values[0] for one in given if one.name == command.subject]
    return known_as(place)


def known_as(place: str) -> str:
    """A path or URL in the one form that jobs are known by."""
    return shown(absolute(place)).rstrip("/")


def _renamed(name: str, value: str, command: RemoteCommand, sent: SentFiles) -> str:
    _check_open(value)
    if name == "config":
        return _config(Path(value), sent)
    if name == "score_head":
        head, equals, file = value.partition("=")
        return f"{head}={_file(file, sent)}" if equals else value
    if name in command.bundles:
        return _bundle(value, sent)
    if name in command.files and not value.startswith("@"):
        return value if value in KEYWORDS else _file(value, sent)
    if name in command.places | command.files:
        return _place(name, value, sent)
    return value


def _check_open(value: str) -> None:
    if "://" in value and redacted(value) != canonical(value):
        raise UserError(
            f"{redacted(value)} was given with a password, key or signature in it. Everyone who can open the "
            "cluster's dashboard reads a job's command line: give the URL without, and credentials to the "
            "cluster's nodes, or by --env NAME."
        )


def _file(value: str, sent: SentFiles) -> str:
    """One that travels, if it lies here and is no larger than what may."""
    if scheme(value):
        return value
    path = local_path(value)
    if path.is_file():
        if path.stat().st_size <= MOST_BYTES:
            return sent.add(path.name, path)
        return _too_large(path, sent)
    if path.exists() or path.is_absolute() or "::" in value or PATTERN.search(value):
        return _place("", value, sent)
    raise UserError(f"{shown(value)} does not exist here. Check the path; one of the cluster's is absolute.")


def _bundle(value: str, sent: SentFiles) -> str:
    folder = local_path(value)
    if scheme(value) or not folder.is_dir():
        return _file(value, sent)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if sum(path.stat().st_size for path in files) > MOST_BYTES:
        return _too_large(folder, sent)
    top = f"{FOLDER}/{len(sent.content)}-model"
    sent.content |= {f"{top}/{path.relative_to(folder).as_posix()}": path for path in files}
    return top


def _place(name: str, value: str, sent: SentFiles) -> str:
    if value.startswith("@") and not scheme(value[1:]) and not Path(value).exists():
        return _list(local_path(value[1:]), sent)
    if name in NAMES_TOO and not local_path(value).exists():
        return value
    there = absolute(value)
    sent.stays += [shown(part) for part in split_list(there.removeprefix("@")) if not scheme(part)]
    return there


def _list(path: Path, sent: SentFiles) -> str:
    """A list of sources, its relative lines absolute as they are here."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the list @{shown(str(path))} cannot be read: {error}") from None
    written = []
    for line in map(str.strip, lines):
        if line and not line.startswith("#"):
            _check_open(line)
            here = scheme(line) or line.startswith(("/", "~"))
            written.append(line if here else absolute(str(path.parent / line)))
    local = [line for line in written if not scheme(line)]
    if local:
        sent.stays.append(f"{shown(local[0])}, in @{shown(str(path))}, and what else of it is no URL")
    content = "".join(f"{line}\n" for line in written).encode()
    place = f"{LISTS}/{hashlib.sha256(content).hexdigest()[:16]}.txt"
    sent.lists[place] = sent.add(path.name, content)
    return f"@{place}"


def _config(path: Path, sent: SentFiles) -> str:
    """A file of settings; where it names local files, a copy that names them as they will be there."""
    settings = read_settings(path)
    renamed: dict[str, Any] = dict(settings)
    for key, kind in _PATHS_OF_CONFIGS.items():
        if isinstance(value := settings.get(key), str) and value not in _NO_PATHS.get(key, ()):
            _check_open(value)
            renamed[key] = _file(value, sent) if kind == "file" else _place(key, value, sent)
    if isinstance(heads := settings.get("score_heads"), dict):
        renamed["score_heads"] = {head: _file(str(file), sent) for head, file in heads.items()}
    return sent.add(path.name, path if renamed == settings else json.dumps(renamed, indent=1).encode())


def _too_large(path: Path, sent: SentFiles) -> str:
    place = str(path.absolute())
    sent.stays.append(f"{shown(place)}, which is larger than the {MOST_BYTES >> 20} MB that may travel")
    return place
