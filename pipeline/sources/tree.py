"""The files below a folder in sorted order, each with its neighbours, without hidden ones and run folders."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from fsspec import AbstractFileSystem

from pipeline.formats.extensions import TEXT_EXTENSIONS, is_image
from pipeline.sources.spans import EVERYTHING, Parts, Span
from pipeline.sources.unnamed import images_among, may_be_image
from pipeline.storage.listing import Entry, entries, is_hidden

TABLES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
"""Names under which Hugging Face's imagefolder keeps a table of a folder's images, by `file_name`."""


@dataclass(frozen=True)
class Directory:
    """One folder as it was listed, without what is hidden: its files by name, and the names of its folders,
    which in an object store may be those of files too. `unnamed` are the files that only their content tells
    to be images.
    """

    parts: Parts
    files: dict[str, Entry]
    folders: frozenset[str]
    parent: Self | None = None
    unnamed: frozenset[str] = frozenset()

    def is_image(self, name: str) -> bool:
        return _is_image_name(name) or name in self.unnamed

    @property
    def is_run(self) -> bool:
        """Whether it is an OUTPUT of `maccap caption` or `maccap train`."""
        return ("run.json" in self.files and "captions" in self.folders) or (
            "train.json" in self.files and "metrics" in self.folders
        )

    @property
    def is_internal(self) -> bool:
        """Whether a table format keeps its own files here, as Delta Lake in `_delta_log`, Spark in
        `_temporary`.
        """
        return any(part.startswith("_") for part in self.parts)

    @property
    def tables(self) -> list[Entry]:
        return [self.files[name] for name in TABLES if name in self.files]

    def texts_of(self, image: str) -> dict[str, Entry]:
        """The files that describe an image, by extension: `x.txt` and `x.jpg.txt` of `x.jpg`."""
        stem = image.rpartition(".")[0]
        found = {}
        for extension in TEXT_EXTENSIONS:
            for name in (f"{stem}.{extension}", f"{image}.{extension}"):
                if name in self.files:
                    found[extension] = self.files[name]
        return found

    def describes_an_image(self, name: str) -> bool:
        """Whether `texts_of` an image here holds the file `name`."""
        stem, _, extension = name.rpartition(".")
        return extension in TEXT_EXTENSIONS and (stem in self._image_stems or stem in self._images)

    @cached_property
    def _images(self) -> set[str]:
        return {name for name in self.files if self.is_image(name)}

    @cached_property
    def _image_stems(self) -> set[str]:
        return {name.rpartition(".")[0] for name in self._images}


def _is_image_name(name: str) -> bool:
    return "." in name and is_image(name.lower())


def walk(
    filesystem: AbstractFileSystem,
    folder: str,
    span: Span = EVERYTHING,
    left_out: Callable[[Entry, str], object] = lambda entry, why: None,
) -> Iterator[tuple[Directory, Entry]]:
    """Files below `folder` whose paths are in `span`, entering only folders that it reaches.

    A link to a folder is followed, unless that folder is walked anyway or the walk came through it.
    `left_out` is told such links, each hidden entry and each run folder. Raises OSError where a folder cannot
    be listed.
    """

    def visit(
        path: str, parts: Parts, parent: Directory | None, roots: tuple[str, ...]
    ) -> Iterator[tuple[Directory, Entry]]:
        shown = []
        for entry in entries(filesystem, path):
            if is_hidden(entry.name):
                left_out(entry, "hidden")
            elif entry.linked and any(_overlap(entry.linked, os.path.realpath(root)) for root in roots):
                left_out(entry, "links to folders in it")
            elif entry.linked:
                shown.append(replace(entry, is_folder=True))
            else:
                shown.append(entry)
        directory = Directory(
            parts,
            {entry.name: entry for entry in shown if not entry.is_folder},
            frozenset(entry.name for entry in shown if entry.is_folder),
            parent,
        )
        if parts and directory.is_run:
            left_out(Entry("/".join(parts), path, 0, "", is_folder=True), "run folders")
            return
        inside = [entry for entry in shown if not entry.is_folder and (*parts, entry.name) in span]
        unnamed = [entry for entry in inside if may_be_image(entry) and not _is_image_name(entry.name)]
        directory = replace(directory, unnamed=images_among(filesystem, unnamed))
        names = {entry.name for entry in inside}
        for entry in shown:
            here = (*parts, entry.name)
            if entry.is_folder:
                if span.reaches(here):
                    through = (*roots, entry.linked) if entry.linked else roots
                    yield from visit(entry.path, here, directory, through)
            elif entry.name in names:
                yield directory, entry

    yield from visit(folder, (), None, (folder,))


def _overlap(one: str, other: str) -> bool:
    """Whether one of two folders holds the other."""
    return os.path.commonpath([one, other]) in (one, other)
