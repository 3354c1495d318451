"""The caption files that CAPTIONS stand for: files, folders, and patterns, local or behind any fsspec URL."""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import UserError
from pipeline.files import file_kind, locate
from pipeline.listing import GLOB, PATTERN, WEB, alternatives, as_given, files_below, matching_files
from pipeline.redact import describe, printable

_PACKABLE = (".txt", ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".tar")
_ENDINGS = (*_PACKABLE, *(f"{ending}.gz" for ending in _PACKABLE), ".tgz", ".parquet")
UNDERSTOOD = f"{', '.join(_PACKABLE)} (these also as .gz), .tgz and .parquet"


@dataclass(frozen=True)
class CaptionFile:
    """One file: `name` is its path or URL as a person would write it."""

    name: str
    filesystem: Any
    path: str

    @property
    def ending(self) -> str:
        """The extension that tells the format, in small letters and without .gz: `.json` of `A.JSON.gz`."""
        ending = next((e for e in _ENDINGS if _without_query(self.path).endswith(e)), "")
        return ".tar" if ending == ".tgz" else ending.removesuffix(".gz")

    @property
    def packed(self) -> bool:
        return _without_query(self.path).endswith((".gz", ".tgz"))


def caption_files(sources: Sequence[str]) -> list[CaptionFile]:
    """All files of all sources, each once: sources in the order given, the files of each in sorted order.

    A folder stands for the caption files in it and below, hidden ones left out. Raises UserError where a
    source has none.
    """
    files: dict[tuple[Any, str], CaptionFile] = {}
    for source in sources:
        try:
            found = list(_files(source if "://" in source else str(Path(source).expanduser())))
        except UserError:
            raise
        except Exception as error:  # far storages have no common class of errors
            raise UserError(f"CAPTIONS {printable(source)} cannot be listed: {describe(error)}") from error
        for file in found:
            files.setdefault((file.filesystem, file.path), file)
    return list(files.values())


def _files(source: str) -> Iterator[CaptionFile]:
    filesystem, path = locate(source)
    # an HTTP server is asked for a file as a file: whether it is a folder would need all of its text
    direct = source.startswith(WEB) and CaptionFile(source, filesystem, path).ending
    kind = "file" if direct else file_kind(filesystem, path)
    if kind == "directory":
        yield from _folder(filesystem, path, source)
    elif kind is not None:
        yield _one_file(filesystem, path, source)
    elif PATTERN.search(source):
        yield from _pattern(source)
    else:
        raise UserError(f"CAPTIONS {printable(source)} does not exist. Check the path.")


def _one_file(filesystem: Any, path: str, source: str) -> CaptionFile:
    file = CaptionFile(source, filesystem, path)
    if not file.ending:
        ending = posixpath.splitext(_without_query(path))[1]
        what = f"the extension {printable(ending)}" if ending else "no extension"
        raise UserError(
            f"CAPTIONS {printable(source)} has {what}, so that its format is not known. "
            f"Understood are {UNDERSTOOD}."
        )
    return file


def _folder(filesystem: Any, path: str, source: str) -> Iterator[CaptionFile]:
    files = _understood(filesystem, list(files_below(filesystem, path)), path, source)
    if not files:
        raise UserError(
            f"CAPTIONS {printable(source)} is a folder without caption files (names ending in {UNDERSTOOD})."
        )
    yield from files


def _pattern(source: str) -> Iterator[CaptionFile]:
    try:
        expanded = alternatives(source)
    except ValueError:
        raise UserError(f"CAPTIONS {printable(source)} has an opening brace without a closing one.") from None
    files: list[CaptionFile] = []
    for url in expanded:
        filesystem, path = locate(url)
        if GLOB.search(url):
            matches = matching_files(filesystem, path)
            files += _understood(filesystem, matches, posixpath.dirname(GLOB.split(path)[0]), url)
        elif file_kind(filesystem, path):
            files.append(_one_file(filesystem, path, url))
        else:
            raise UserError(f"CAPTIONS {printable(source)} names {printable(url)}, which does not exist.")
    if not files:
        raise UserError(
            f"CAPTIONS {printable(source)} matches no caption file (names ending in {UNDERSTOOD}). "
            "Check the pattern, and quote it so that the shell does not expand it."
        )
    yield from files


def _understood(filesystem: Any, paths: list[str], root: str, source: str) -> list[CaptionFile]:
    """The caption files among the paths, sorted, without what is hidden below the root."""
    shown = [path for path in sorted(paths) if not _hidden(path[len(root) :])]
    files = [CaptionFile(as_given(filesystem, source, path), filesystem, path) for path in shown]
    return [file for file in files if file.ending]


def _hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _without_query(path: str) -> str:
    return (urlsplit(path).path if path.startswith(WEB) else path).lower()
