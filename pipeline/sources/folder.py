"""A folder of images, with all its subfolders: every image file is a sample, its path relative to the folder
the id; texts beside it and a table of the folder are its metadata.

Files are taken in sorted order, and every `FILES_A_SHARD` of them are a shard, so that one big folder is read
by many tasks. A shard is a range of paths: it lists the folders in it again when it is read, and the driver
never holds the names of a whole archive. The ranges are kept with the run's plan, and of a folder that has
grown the new images can be set apart (`grown_folder.py`): they are then shards of their own, and holes in the
ranges of those before.
"""

import posixpath
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from fsspec import AbstractFileSystem

from pipeline.formats.extensions import IMAGE_EXTENSIONS, kind_of
from pipeline.sources.folder_range import FILES_A_SHARD, FolderArgs, ShardDigest
from pipeline.sources.grown_folder import growth_apart
from pipeline.sources.image_tables import ImageTables
from pipeline.sources.options import SourceOptions
from pipeline.sources.parquet_roles import tables_of_images
from pipeline.sources.sample import Sample
from pipeline.sources.shard import Shard, changed
from pipeline.sources.source import Location, Planned, Source, counted
from pipeline.sources.spans import Pieces
from pipeline.sources.text_members import MAX_TEXT, metadata_of
from pipeline.sources.tree import TABLES, Directory, walk
from pipeline.sources.webdataset import tar_stem
from pipeline.storage.errors import UserError
from pipeline.storage.files import locate, read_file
from pipeline.storage.listing import Entry, as_given
from pipeline.storage.redact import describe, printable, shown


class ImageFolder(Source[FolderArgs]):
    """A folder, and the files in it that any of the sources `files` reads."""

    name = "folder"
    what = "folder of images"
    args = FolderArgs

    def __init__(self, files: Sequence[Source[Any]] = ()) -> None:
        self._files = files

    def recognises(self, location: Location) -> bool:
        return location.is_folder

    def plan(
        self, location: Location, options: SourceOptions, pinned: Sequence[Shard[FolderArgs]]
    ) -> Planned:
        url, archives = location.url, self._endings()
        found = plan_folder(url, FILES_A_SHARD, [shard.args for shard in pinned], archives)
        filesystem, _ = locate(url)
        try:
            tables = tables_of_images(filesystem, found.others, found.images)
        except UserError as error:
            raise UserError(f"SOURCE {shown(url)} cannot be told: {error}") from None
        files, twins = dict[str, Entry](), set[str]()
        for directory, entry in found.others:
            if entry.path in tables:
                found.left_out["tables of the images"] += 1
                continue
            place = as_given(filesystem, url, entry.path)
            files[place] = entry
            if tar_stem(entry.name) in directory.folders:
                twins.add(place)
        if not files and not found.shards:
            alone = [
                source.what
                for source in self._files
                if not source.in_folders and any(ending in found.left_out for ending in source.endings)
            ]
            raise UserError(_empty(url, archives, found.left_out, alone))
        texts = f", {found.described:,} of them with texts or a table" if found.described else ""
        return Planned(
            found.shards,
            images=found.images,
            taken_for=f"a folder of {found.images:,} image{'s' * (found.images > 1)}{texts}",
            left_out=found.left_out,
            files=files,
            twins=frozenset(twins),
        )

    def read(self, shard: Shard[FolderArgs], max_bytes: int) -> Iterator[Sample]:
        """The images of the shard's range, read one at a time when loaded."""
        return read_folder(shard)

    def growth_apart(
        self,
        pinned: Sequence[Shard[FolderArgs]],
        changed: Collection[str],
        ids_of: Callable[[Shard], Collection[str] | None],
    ) -> Sequence[Shard[FolderArgs]]:
        return growth_apart(pinned, changed, ids_of, FILES_A_SHARD)

    def _endings(self) -> tuple[str, ...]:
        return tuple(ending for source in self._files if source.in_folders for ending in source.endings)


def _empty(url: str, archives: Sequence[str], left_out: Mapping[str, int], alone: Sequence[str]) -> str:
    there = counted(left_out)
    return (
        f"SOURCE {shown(url)} is empty: no tar, Parquet file or image in it or below it (looked for "
        f"{', '.join(archives)}, {', '.join('.' + e for e in sorted(IMAGE_EXTENSIONS))}, and for images "
        "under other names"
        f"{f'; there are {there}' if there else ''})."
        + "".join(f" A {what} is a SOURCE by itself: give one of them." for what in alone)
    )


@dataclass
class FolderContents:
    """What lies below a folder: shards of its images, other files that may be archives, and what is neither.

    `left_out` counts by kind: an extension, `hidden`, `run folders`.
    """

    shards: list[Shard[FolderArgs]] = field(default_factory=list)
    images: int = 0
    described: int = 0
    others: list[tuple[Directory, Entry]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def plan_folder(
    url: str,
    files_a_shard: int = FILES_A_SHARD,
    pinned: Sequence[FolderArgs] = (),
    archives: Sequence[str] = (),
) -> FolderContents:
    """List the folder once. Shards are numbered in order, and hold `files_a_shard` files each but for the
    last; or they are those of an earlier plan, `pinned`, of which the one that reaches the end may hold twice
    as many, and others behind it.

    Files whose names end as one of `archives` are given as they are found. Raises OSError.
    """
    filesystem, root = locate(url)
    found = FolderContents()
    most = 2 * files_a_shard if pinned else files_a_shard
    args = list(pinned or [FolderArgs()])
    digests = [ShardDigest() for _ in args]
    pieces = Pieces([one.span for one in args])
    last = pieces.last.owner

    def left_out(entry: Entry, why: str) -> None:
        found.left_out[why] += 1

    for directory, entry in walk(filesystem, root, left_out=left_out):
        if not directory.is_image(entry.name):
            if directory.is_internal and entry.name.lower().endswith(".parquet"):
                found.left_out["a table format's own"] += 1
            elif entry.name.lower().endswith(tuple(archives)) and entry.name not in TABLES:
                found.others.append((directory, entry))
            elif not (directory.describes_an_image(entry.name) or entry.name in TABLES):
                found.left_out[kind_of(entry.name)] += 1
            continue
        parts = (*directory.parts, entry.name)
        piece = pieces.at(parts)
        owner = piece.owner if piece.end is not None else last
        if piece.end is None and digests[last].images >= most:
            path = "/".join(parts)
            args[last] = replace(args[last], last=path)
            args.append(FolderArgs(path))
            digests.append(ShardDigest())
            owner = last = len(args) - 1
        found.described += digests[owner].add(directory, entry)
        found.images += 1
    if found.images or pinned:
        name = printable(posixpath.basename(root.rstrip("/")) or "images")
        found.shards = [
            Shard(f"{name}-{n:06d}", ImageFolder.name, url, one, size=digest.size, state=digest.state)
            for n, (one, digest) in enumerate(zip(args, digests, strict=True))
        ]
    return found


def read_folder(shard: Shard[FolderArgs]) -> Iterator[Sample]:
    """The images of the shard's range, read one at a time when loaded. Raises UserError where they are not
    those that the run was planned on.
    """
    filesystem, root = locate(shard.url)
    span = shard.args.span
    tables, digest = ImageTables(filesystem, span), ShardDigest()
    for directory, entry in walk(filesystem, root, span):
        if not directory.is_image(entry.name):
            continue
        digest.add(directory, entry)
        texts = directory.texts_of(entry.name)
        yield Sample(
            "/".join((*directory.parts, entry.name)),
            entry.size + sum(text.size for text in texts.values()),
            partial(read_file, filesystem, entry.path),
            read_metadata=partial(_metadata, filesystem, directory, entry.name, texts, tables),
        )
    if shard.state and digest.state != shard.state:
        raise changed(shard)


def _metadata(
    filesystem: AbstractFileSystem,
    directory: Directory,
    image: str,
    texts: dict[str, Entry],
    tables: ImageTables,
) -> str | None:
    found: dict[str, bytes] = {}
    row, notes = tables.row_of(directory, image)
    for extension, entry in texts.items():
        try:
            if entry.size > MAX_TEXT:
                raise OSError(f"it has {entry.size} bytes, more than the limit")
            found[extension] = read_file(filesystem, entry.path)
        except OSError as error:
            notes[extension] = f"{printable(entry.name)} was not read: {describe(error)}"
    if row is not None:
        found["metadata.json" if "json" in found else "json"] = row.encode("utf-8", "replace")
    return metadata_of(found, notes)
