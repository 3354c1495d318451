"""The files of one shard against the samples of its source: every sample once, in order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.chunk import file_name
from pipeline.run.run_folder import RunFacts
from pipeline.stages.write import count_errors
from pipeline.storage.folder import Folder
from pipeline.verify.chunk_file import ChunkFile, ChunkFileError, read_chunk_file

AGAIN = "Start the same command again."
REMOVE = "Remove it and start the same command again."


@dataclass(frozen=True)
class SourceShard:
    """A shard's id, where its rows bear it, and the ids of the rows that its source makes."""

    id: str | None
    ids: Iterator[str]


@dataclass
class ShardReport:
    """What is wrong, a line each; what the sound files hold; and whether the last of these rows says that the
    shard could not be read on (a retry may know more).
    """

    problems: list[str] = field(default_factory=list)
    files: int = 0
    rows: int = 0
    errors: int = 0
    unread: bool = False


class ShardCheck:
    """Compares a shard's files, in order, with its source, or where that is None with one another alone.

    Holds one file's rows at a time. Behind a file that is missing or damaged it goes on where the next one
    begins.
    """

    def __init__(self, folder: Folder, facts: RunFacts, stem: str, source: SourceShard | None) -> None:
        self._folder = folder
        self._facts = facts
        self._stem = stem
        self._source = source
        self._shard = source.id if source else None
        self._row = 0  # of the shard, counted as `index` is: the next that the source will give
        self._gap = False  # the files before this one lack rows
        self.report = ShardReport()

    def run(self, positions: Sequence[int]) -> ShardReport:
        """`positions` are those of the files that are there."""
        due, ended = 0, False
        for position in sorted(positions):
            for missing in range(due, position):
                self._say(missing, f"is missing. {AGAIN}")
                self._gap = True
            due = position + 1
            if ended:
                self._say(position, f"lies behind the last file of its shard. {REMOVE}")
                continue
            try:
                name = file_name(self._stem, position)
                file = read_chunk_file(self._folder, name, position, self._facts)
                self._check(file)
            except ChunkFileError as error:
                self._say(position, f"{error}. {REMOVE}")
                self._gap = True
            else:
                self._gap, ended = False, file.last
                self._count(file.rows)
        if not ended and not self._gap:
            self._say(due, f"is missing: the shard goes on there. {AGAIN}")
        if ended and self._source and not self.report.unread and (left := sum(1 for _ in self._source.ids)):
            self._say(due - 1, f"ends its shard, where the source has {left} more. {REMOVE}")
        return self.report

    def _check(self, file: ChunkFile) -> None:
        """Raises ChunkFileError."""
        rows = file.rows
        if not rows.num_rows:
            return
        shard, first = rows["shard"][0].as_py(), rows["index"][0].as_py()
        if pc.unique(rows["shard"]).to_pylist() != [self._shard or shard]:
            raise ChunkFileError(f"holds rows of another shard ({shard})")
        if rows["index"].to_pylist() != list(range(first, first + rows.num_rows)):
            raise ChunkFileError("has rows missing, doubled or in another order")
        if first < self._row or (first > self._row and not self._gap):
            raise ChunkFileError(f"begins with row {first} of its shard, where row {self._row} is due")
        for name in {"caption", "answers"}.intersection(rows.column_names):
            failed = rows["error"].is_valid()
            needless = pc.and_not(self._needs_none(rows, name), failed)
            if not pc.all(pc.xor(pc.or_(rows[name].is_valid(), needless), failed)).as_py():
                raise ChunkFileError(f"has rows with neither {name} nor error, or with both")
        ids = rows["image_id"].to_pylist()
        self.report.unread = file.last and ids[-1] == shard and rows["error"][-1].is_valid
        self._compare(ids, first)
        self._shard = shard

    def _needs_none(self, rows: pa.Table, name: str) -> pa.Array:
        """Where an image's own caption makes another needless."""
        existing = self._facts.existing
        if existing is None or name != "caption":
            return pa.array([False] * rows.num_rows)
        own = zip(rows["original_caption"].to_pylist(), rows["original_clip_score"].to_pylist(), strict=True)
        return pa.array([text is not None and existing.suffices(score) for text, score in own])

    def _compare(self, ids: list[str], first: int) -> None:
        skipped, self._row = first - self._row, first + len(ids)
        if self._source is None:
            return
        expected = list(islice(self._source.ids, skipped, skipped + len(ids)))
        certain = ids[:-1] if self.report.unread else ids  # what the source has from there on, nobody knows
        for number, image_id in enumerate(certain):
            there = expected[number] if number < len(expected) else None
            if there != image_id:
                but = f"the source has {there!r}" if there is not None else "the source has ended"
                raise ChunkFileError(f"has {image_id!r} as row {first + number} of its shard, where {but}")

    def _count(self, rows: pa.Table) -> None:
        self.report.files += 1
        self.report.rows += rows.num_rows
        self.report.errors += count_errors(rows)

    def _say(self, position: int, what: str) -> None:
        self.report.problems.append(f"{self._folder.url}/{file_name(self._stem, position)} {what}")
