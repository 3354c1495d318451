"""A folder of images, with all its subfolders: every image file is a sample, its path relative to the folder
the id; texts beside it and a table of the folder are its metadata.

Files are taken in sorted order, and every `FILES_A_SHARD` of them are a shard, so that one big folder is read
by many tasks. A shard is a range of paths: it lists the folders in it again when it is read, and the driver
never holds the names of a whole archive. The ranges are kept with the run's plan, so that a folder that has
grown changes the shards where it grew, and no others.
"""

import hashlib
import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pipeline.sources.found_files import kind_of
from pipeline.sources.image_tables import ImageTables
from pipeline.sources.sample import Sample, Shard, changed
from pipeline.sources.text_members import MAX_TEXT, metadata_of
from pipeline.sources.tree import TABLES, Directory, Parts, walk
from pipeline.storage.files import locate, read_file
from pipeline.storage.listing import Entry
from pipeline.storage.redact import describe, printable

FILES_A_SHARD = 4096


@dataclass
class FolderContents:
    """What lies below a folder: shards of its images, other files that may be archives, and what is neither.

    `left_out` counts by kind: an extension, `hidden`, `run folders`.
    """

    shards: list[Shard] = field(default_factory=list)
    images: int = 0
    described: int = 0
    others: list[tuple[Directory, Entry]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def plan_folder(
    url: str,
    files_a_shard: int = FILES_A_SHARD,
    cuts: Sequence[str] = (),
    archives: Sequence[str] = (),
) -> FolderContents:
    """List the folder once. Shards are numbered in order, and hold `files_a_shard` files each but for the
    last; or they begin where those of an earlier plan did, at `cuts`, and the last may hold twice as many.

    Files whose names end as one of `archives` are given as they are found. Raises OSError.
    """
    filesystem, root = locate(url)
    found = FolderContents()
    following = [tuple(cut.split("/")) for cut in cuts if cut]
    most = 2 * files_a_shard if cuts else files_a_shard
    shard = _ShardDigest()
    began: list[tuple[str, _ShardDigest]] = [("", shard)]

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
        while following and parts >= following[0]:
            shard = _ShardDigest()
            began.append(("/".join(following.pop(0)), shard))
        if not following and shard.images == most:
            shard = _ShardDigest()
            began.append(("/".join(parts), shard))
        found.described += shard.add(directory, entry)
        found.images += 1
    for cut in following:  # nothing is left behind it
        began.append(("/".join(cut), _ShardDigest()))
    if found.images or cuts:
        name = printable(posixpath.basename(root.rstrip("/")) or "images")
        ends = [first for first, _ in began[1:]] + [""]
        found.shards = [
            Shard(f"{name}-{n:06d}", "folder", url, first, end, size=digest.size, state=digest.state)
            for n, ((first, digest), end) in enumerate(zip(began, ends, strict=True))
        ]
    return found


def read_folder(shard: Shard) -> Iterator[Sample]:
    """The images of the shard's range, read one at a time when loaded. Raises UserError where they are not
    those that the run was planned on.
    """
    filesystem, root = locate(shard.url)
    first = tuple(shard.first.split("/")) if shard.first else ()
    end = tuple(shard.last.split("/")) if shard.last else None
    tables, digest = ImageTables(filesystem, first, end), _ShardDigest()
    for directory, entry in walk(filesystem, root, first, end):
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


class _ShardDigest:
    """Counts a shard's images and tells one state of them, their texts and tables, from another."""

    def __init__(self) -> None:
        self.images = self.size = 0
        self._digest = hashlib.sha256()

    @property
    def state(self) -> str:
        return self._digest.hexdigest()[:32]

    def add(self, directory: Directory, image: Entry) -> bool:
        """Returns whether there is more than the image alone: texts, or a table."""
        self.images += 1
        self.size += image.size
        parts: Parts = (*directory.parts, image.name)
        self._digest.update("/".join(parts).encode("utf-8", "surrogateescape") + b"\0")
        described = list(directory.texts_of(image.name).values())
        above: Directory | None = directory
        while above is not None:
            described += above.tables
            above = above.parent
        for entry in (image, *described):
            self._digest.update(f"{entry.size}\0{entry.state}\0".encode())
        return bool(described)


def _metadata(
    filesystem: Any, directory: Directory, image: str, texts: dict[str, Entry], tables: ImageTables
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
