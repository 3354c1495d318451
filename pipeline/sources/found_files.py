"""The tars and Parquet files that a pattern, a list or a list file names, each as its storage has it."""

import posixpath
import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.formats.extensions import CAMERA_RAW, DRAWINGS
from pipeline.sources.webdataset import TARS, tar_stem
from pipeline.storage.errors import UserError
from pipeline.storage.files import file_info, locate, read_bytes
from pipeline.storage.listing import (
    GLOB,
    PATTERN,
    WEB,
    Entry,
    alternatives,
    as_given,
    entry_of,
    matching_entries,
)
from pipeline.storage.redact import printable, redacted
from pipeline.storage.retries import Retries, storage
from pipeline.storage.urls import canonical, scheme

ARCHIVES = (*TARS, ".parquet")

_AT_ONCE = 32
_few_tries = Retries(attempts=2, seconds=20)  # of a web address that may be dead: reading it says so


MISSING = "missing"
"""The state of a file that is not there."""


@dataclass
class Archives:
    """Archives by URL in order, each as its storage has it; None where it was not asked yet. `base` is the
    folder that names them; `left_out` counts what else a pattern matched.
    """

    files: dict[str, Entry | None] = field(default_factory=dict)
    base: str | None = None
    left_out: Counter[str] = field(default_factory=Counter)

    def looked_up(self) -> dict[str, Entry]:
        """Each file as its storage has it. One that is not there is of state `MISSING`; one that a web server
        does not tell of has none, and reading it will tell.
        """
        unknown = [url for url, entry in self.files.items() if entry is None]
        with ThreadPoolExecutor(min(_AT_ONCE, len(unknown) or 1)) as pool:
            found = dict(zip(unknown, pool.map(look_up, unknown), strict=True))
        return {url: entry or found[url] for url, entry in self.files.items()}


def matched(source: str) -> Archives:
    """What a pattern matches: braces, `*`, `?`, `[...]`, `**`. Raises UserError, OSError."""
    found = Archives(base=parent(PATTERN.split(source)[0]))
    try:
        expanded = alternatives(source)
    except ValueError:
        raise UserError(f"SOURCE {shown(source)} has an opening brace without a closing one.") from None
    for url in expanded:
        if url.startswith(WEB) or not GLOB.search(url):
            found.files.setdefault(url)
            continue
        filesystem, pattern = locate(url)
        for entry in matching_entries(filesystem, pattern):
            if is_archive(entry.path):
                found.files[as_given(filesystem, source, entry.path)] = entry
            else:
                found.left_out[kind_of(entry.name)] += 1
    return found


def listed(path: str) -> Archives:
    """The lines of a text file: paths relative to its folder, URLs, and patterns of both; # begins a
    comment. Raises UserError.
    """
    lines = [line.strip() for line in read_bytes(*locate(path)).decode("utf-8-sig").splitlines()]
    found = Archives()
    for line in lines:
        if not line or line.startswith("#"):
            continue
        url = str(Path(line).expanduser()) if line.startswith("~") else canonical(line)
        url = url if scheme(url) or url.startswith("/") else parent(path) + url
        if not is_archive(url):
            raise UserError(
                f"SOURCE @{shown(path)} names {shown(line)}, which must be a tar or Parquet file on every "
                "line."
            )
        if is_pattern(url):
            matches = matched(url).files
            if not matches:
                raise UserError(f"SOURCE @{shown(path)} names {shown(line)}, which matches no file.")
            found.files |= matches
        else:
            found.files.setdefault(url)
    if not found.files:
        raise UserError(f"SOURCE @{shown(path)} is empty: it must be a tar or Parquet file on every line.")
    return found


def look_up(url: str) -> Entry:
    """What the storage says of one file, as `Archives.looked_up` does. Raises OSError."""
    ask: Callable[..., Any] = _few_tries if url.startswith(WEB) else storage
    try:
        filesystem, path = locate(url)
        return entry_of(file_info(filesystem, path, ask))
    except FileNotFoundError:
        return Entry(posixpath.basename(url), url, 0, MISSING, is_folder=False)
    except OSError:
        if not url.startswith(WEB):
            raise
        return Entry(posixpath.basename(url), url, 0, "", is_folder=False)


def is_pattern(source: str) -> bool:
    """A path that exists as written is no pattern, whatever characters its name holds."""
    if source.startswith(WEB):
        return "{" in source
    if not PATTERN.search(source):
        return False
    return not Path(source).exists() if "://" not in source else look_up(source).state == MISSING


def is_archive(url: str) -> bool:
    return bare_name(url).endswith(ARCHIVES)


def archive_stem(name: str) -> str:
    """An archive's name without the endings that say what it is."""
    return tar_stem(re.sub(r"\.parquet$", "", name, flags=re.IGNORECASE))


def bare_name(url: str) -> str:
    """In small letters, and of a web address without its query."""
    return (url.partition("?")[0] if url.startswith(WEB) else url).lower()


def parent(url: str) -> str:
    """The folder of a path or URL, with its slash."""
    path = url.partition("?")[0] if url.startswith(WEB) else url
    return path[: path.rfind("/") + 1]


def kind_of(name: str) -> str:
    """What a file is left out as."""
    stem, dot, extension = name.rpartition(".")
    if not (stem and dot):
        return "without extension"
    extension = extension.lower()
    if extension in CAMERA_RAW:
        return f".{extension}, camera raw: convert it to JPEG"
    if extension in DRAWINGS:
        return f".{extension}, a drawing: convert it to PNG"
    return f".{extension}"[:20]


def shown(source: str) -> str:
    """As it may be printed."""
    return printable(redacted(source))
