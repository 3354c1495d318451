"""The caption files that CAPTIONS stand for: files, folders, and patterns, local or behind any fsspec URL."""

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.utils import glob_translate

from pipeline.storage.errors import UserError
from pipeline.storage.expand import Named, expand
from pipeline.storage.files import file_kind, is_local, locate
from pipeline.storage.listing import GLOB, Entry, as_given, entries, is_hidden
from pipeline.storage.redact import describe, printable, shown
from pipeline.storage.urls import WEB, bare_name, local_path
from pipeline.texts.layout import UNDERSTOOD, Form, LeftOut, ending_of, own_output, sort_out
from pipeline.texts.splits import split_of


@dataclass(frozen=True)
class CaptionFile:
    """One file: `name` is its path or URL as a person would write it, `size` its bytes where a folder's
    listing told them. One that was `named` by the user is refused where it holds no captions; of others the
    names tell a `split`, where the file itself does not.
    """

    name: str
    filesystem: AbstractFileSystem
    path: str
    named: bool = True
    form: Form = "caption files"
    size: int | None = None
    split: str | None = None

    @property
    def ending(self) -> str:
        """The extension that tells the format, in small letters and without .gz: `.json` of `A.JSON.gz`."""
        ending = ending_of(_bare_path(self.path))
        return ".tar" if ending == ".tgz" else ending.removesuffix(".gz")

    @property
    def packed(self) -> bool:
        return ending_of(_bare_path(self.path)).endswith(("gz", ".tgz"))


@dataclass
class CaptionFiles:
    """What CAPTIONS stand for: the files in order, a line for each folder on what it was taken for, and what
    was left out there.
    """

    files: list[CaptionFile]
    taken: list[str] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)


def caption_files(sources: Sequence[str]) -> CaptionFiles:
    """All files of all sources, each once: sources in the order given, the files of each in sorted order. A
    source may also be `@FILE` or a list, as `pipeline.storage.expand` has it.

    A folder stands for the caption files in it and below (see `layout.py`), hidden ones left out. Raises
    UserError where a source has none.
    """
    files: dict[tuple[Any, str], CaptionFile] = {}
    selection = CaptionFiles([])
    for source in sources:
        try:
            found = list(_files(source if "://" in source else str(local_path(source)), selection))
        except UserError:
            raise
        except Exception as error:  # far storages have no common class of errors
            raise UserError(f"CAPTIONS {printable(source)} cannot be listed: {describe(error)}") from error
        for file in found:
            known = files.get((file.filesystem, file.path))
            if known is None or (file.named and not known.named):
                files[file.filesystem, file.path] = file
    selection.files = list(files.values())
    return selection


def _files(source: str, selection: CaptionFiles) -> Iterator[CaptionFile]:
    found = False
    for named in expand(source, "CAPTIONS", _is_file).named:
        filesystem, path = locate(named.url)
        if named.kind == "pattern":
            files = _matching(filesystem, path, named.url, selection.left_out)
            if not files and source.startswith("@"):
                raise UserError(f"CAPTIONS {named.written}, which matches no file.")
        elif named.kind == "folder" or (kind := _kind(named, filesystem, path)) == "directory":
            files = _folder(filesystem, path, named.url, selection)
        elif kind is not None:
            files = [_one_file(filesystem, path, named.url)]
        else:
            what = named.written if source.startswith("@") else f"{named.written} names {shown(named.url)}"
            raise UserError(f"CAPTIONS {what}, which does not exist.")
        found = found or bool(files)
        yield from files
    if not found:
        what = "names no file" if source.startswith("@") else "matches no caption file"
        raise UserError(
            f"CAPTIONS {shown(source)} {what} (names ending in {UNDERSTOOD}). "
            "Check the pattern, and quote it so that the shell does not expand it."
        )


def _is_file(url: str) -> bool:
    return bool(ending_of(_bare_path(url)))


def _kind(named: Named, filesystem: AbstractFileSystem, path: str) -> str | None:
    if named.kind == "file" or (named.url.startswith(WEB) and _is_file(named.url)):
        return "file"
    return file_kind(filesystem, path)


def _one_file(filesystem: AbstractFileSystem, path: str, source: str) -> CaptionFile:
    file = CaptionFile(source, filesystem, path)
    if not file.ending:
        ending = posixpath.splitext(_bare_path(path))[1]
        what = f"the extension {printable(ending)}" if ending else "no extension"
        raise UserError(
            f"CAPTIONS {printable(source)} has {what}, so that its format is not known. "
            f"Understood are {UNDERSTOOD}."
        )
    return file


def _folder(
    filesystem: AbstractFileSystem, path: str, source: str, selection: CaptionFiles
) -> list[CaptionFile]:
    listed = entries(filesystem, path)
    kind = own_output(path, *_names(listed))
    if kind is not None:
        raise UserError(
            f"CAPTIONS {printable(source)} is none of captions that people wrote, but one of the {kind}. "
            "Name the files that you mean, such as RUN/captions/*.parquet."
        )
    walk = _Walk(filesystem, path, source, selection.left_out)
    files = sorted(walk.files(path, listed), key=lambda file: file.path)
    if not files:
        left_out = "".join(f" ({line})" for line in selection.left_out.lines())
        raise UserError(
            f"CAPTIONS {printable(source)} is a folder without caption files (names ending in {UNDERSTOOD})"
            f"{left_out}."
        )
    counts = Counter(file.form for file in files)
    selection.taken.append(
        f"{printable(source)}: {', '.join(f'{form} ({count:,})' for form, count in counts.items())}"
    )
    return files


def _matching(
    filesystem: AbstractFileSystem, pattern: str, source: str, left_out: LeftOut
) -> list[CaptionFile]:
    folder = GLOB.split(pattern)[0].rpartition("/")[0]
    below = pattern.removeprefix(folder).lstrip("/")
    if file_kind(filesystem, folder) != "directory":
        return []
    matches = re.compile(glob_translate(pattern)).match
    walk = _Walk(filesystem, folder, source, left_out, lambda path: matches(path) is not None)
    if "**" not in below:
        walk.depth, walk.everywhere = below.count("/") + 1, True
    return sorted(walk.files(folder, entries(filesystem, folder)), key=lambda file: file.path)


@dataclass
class _Walk:
    """Through the folder `top` and those below it. `everywhere` is set where each level was asked for: then
    no folder is passed over for what it is.
    """

    filesystem: AbstractFileSystem
    top: str
    source: str
    left_out: LeftOut
    wanted: Callable[[str], bool] | None = None
    depth: int | None = None
    everywhere: bool = False
    _seen: set[str] = field(default_factory=set)

    def files(self, folder: str, listed: list[Entry], level: int = 1) -> Iterator[CaptionFile]:
        """The caption files of the folder with these entries, and of those below it. Raises OSError."""
        if self._is_known(folder):
            return
        shown = [entry for entry in listed if not is_hidden(entry.name)]
        with_captions = []
        for entry in shown:
            if (entry.is_folder or entry.linked) and (self.depth is None or level < self.depth):
                below = self._below(entry, level + 1)
                if below:
                    with_captions.append(entry.name)
                yield from below
        files = [entry for entry in shown if not (entry.is_folder or entry.linked)]
        files = [entry for entry in files if self.wanted is None or self.wanted(entry.path)]
        places = sort_out([entry.name for entry in files], with_captions)
        for entry in files:
            if (place := places.get(entry.name)) is None:  # an image
                continue
            if place.form is None:
                self.left_out.add(place.reason, printable(entry.name))
                continue
            name = as_given(self.filesystem, self.source, entry.path)
            split = self._split(entry, place.form)
            yield CaptionFile(name, self.filesystem, entry.path, False, place.form, entry.size, split)

    def _split(self, file: Entry, form: Form) -> str | None:
        """As names tell it; that of a text beside an image is the image's."""
        below = file.path.removeprefix(self.top.rstrip("/"))
        of_image = form in ("texts beside images", "JSON files beside images")
        return split_of(f"{posixpath.dirname(below)}/" if of_image else below)

    def _below(self, folder: Entry, level: int) -> list[CaptionFile]:
        listed = entries(self.filesystem, folder.path)
        kind = None if self.everywhere else own_output(folder.path, *_names(listed))
        if kind is not None:
            self.left_out.add(kind, f"{printable(folder.name)}/")
            return []
        return list(self.files(folder.path, listed, level))

    def _is_known(self, folder: str) -> bool:
        """Whether the walk was here before, as links to a folder above lead it."""
        if not is_local(self.filesystem):
            return False
        place = str(Path(folder).resolve())
        known = place in self._seen
        self._seen.add(place)
        return known


def _names(listed: list[Entry]) -> tuple[set[str], set[str]]:
    """Names of the files, and of the folders."""
    return {e.name for e in listed if not e.is_folder}, {e.name for e in listed if e.is_folder}


def _bare_path(path: str) -> str:
    """In small letters, and of a web address without its query and fragment."""
    return bare_name(path.partition("#")[0] if path.startswith(WEB) else path)
