"""The output folder of a run, which is also its checkpoint.

    run.json            first: what was captioned, with which model and settings
    plan.parquet        then the shards that it was planned on
    questions/          of a file of questions, a copy sorted by image, where there is one
    captions/*.parquet  one file a chunk
    removed/*.parquet   those of shards that SOURCE lost later
    summary.json        then the totals
    _SUCCESS            last, and only once every chunk of every planned shard is there

A resume looks at the files alone: a shard whose last chunk and all before it are written is not read again,
and of any other the written chunks are skipped. What is held in memory is a number per chunk, never an id a
row.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

from pydantic import ValidationError

from maccap.run_table import CAPTIONS
from pipeline.chunk import file_name, parse_file_name, shard_file_stem
from pipeline.run.completed_chunks import WrittenChunks
from pipeline.run.facts import RunFacts
from pipeline.run.pinned_plan import PlanChanges, compared, in_planned_order, plan_file, planned_shards
from pipeline.run.record import SUCCESS_FILE, RunRecord
from pipeline.sources import Shard
from pipeline.stages.write import ChunkFooter, read_footer
from pipeline.storage.errors import RunError, UserError
from pipeline.storage.folder import Folder, writing
from pipeline.storage.redact import describe
from pipeline.storage.urls import absolute

RUN_FILE = "run.json"
PLAN_FILE = "plan.parquet"
REMOVED = "removed"
QUESTIONS = "questions"
FOOTERS_AT_ONCE = 16  # that are read: on an object store each is a request

Stems = Collection[str] | None
"""File name stems of shards, of `shard_file_stem`; None for all."""


class RunFolder(RunRecord[RunFacts]):
    """OUTPUT of a captioning run: a folder at a path or fsspec URL."""

    def __init__(self, url: str) -> None:
        super().__init__(url, RUN_FILE, RunFacts)
        self.captions = Folder(f"{self.top.url}/{CAPTIONS}")
        self.removed = Folder(f"{self.top.url}/{REMOVED}")
        self.questions = f"{self.top.url}/{QUESTIONS}"

    def planned(self) -> list[Shard] | None:
        """The shards that the run here was planned on; None for a new run. Raises UserError where they are
        lost.
        """
        try:
            raw = self.top.read(PLAN_FILE)
            if raw is not None:
                return planned_shards(raw)
            lost = self.top.read(RUN_FILE) is not None and any(map(parse_file_name, self.captions.names()))
        except ValueError as error:
            raise UserError(
                f"{self.top.url}/{PLAN_FILE} is damaged ({describe(error)}), so that what the run was "
                "planned on is not known. Choose another OUTPUT."
            ) from None
        except OSError as error:
            raise UserError(f"OUTPUT {self.top.url} cannot be opened: {describe(error)}") from None
        if lost:
            raise UserError(
                f"{self.top.url}/{PLAN_FILE} is gone, so that what the run was planned on is not known. "
                "Choose another OUTPUT."
            )
        return None

    def begin(self, facts: RunFacts, stems: Stems = None) -> None:
        """As any run begins. Others may be at work here, on shards that are not in `stems`: what is theirs is
        left alone.
        """
        super().begin(facts)
        try:
            self.captions.make()
            self.captions.remove_temporaries(partial(_is_of, stems))
            if stems is None:
                self.top.remove_temporaries()
        except OSError as error:
            raise UserError(f"OUTPUT {self.top.url} cannot be written: {describe(error)}") from None

    def pin(self, shards: Sequence[Shard]) -> list[Shard]:
        """Record what a new run is planned on, and return it: of several commands' plans the first counts.

        Raises UserError where it cannot be written, or the first command saw another SOURCE.
        """
        try:
            if self.top.create(PLAN_FILE, plan_file(shards)):
                return list(shards)
        except OSError as error:
            raise UserError(f"OUTPUT {self.top.url} cannot be written: {describe(error)}") from None
        pinned = self.planned() or []
        now, changes = compared(pinned, shards)
        if changes:
            raise UserError(changed_source(self.top.url, changes))
        return in_planned_order(pinned, now)

    def accept(self, now: Sequence[Shard], changes: PlanChanges) -> None:
        """Plan the run here anew. Captions of shards that are not what they were are removed, those of shards
        that are gone put aside in `removed/`. Raises RunError, and may then be called again.
        """
        with writing(self.top.url):
            self.top.remove(SUCCESS_FILE)
            redone = {shard_file_stem(shard) for shard in (*changes.changed, *changes.appeared)}
            gone = {shard_file_stem(shard) for shard in changes.removed}
            if gone:
                self.removed.make()
            for name in self.captions.names():
                key = parse_file_name(name)
                if key and key[0] in gone and (content := self.captions.read(name)) is not None:
                    self.removed.write(name, content)
                if key and key[0] in redone | gone:
                    self.captions.remove(name)
            self.top.write(PLAN_FILE, plan_file(now))
            self.top.remove(SUCCESS_FILE)  # which a command of the old plan may have written meanwhile

    def check_plan(self, known: Sequence[Shard]) -> None:
        """Raises RunError where the run here is no more planned on `known`, because another command accepted
        a changed SOURCE. Chunks of the shards that changed are then removed: some may be of what these were.
        """
        now = self.planned() or []
        if now == list(known):
            return
        _, changes = compared(known, now)
        redone = {shard_file_stem(shard) for shard in (*changes.changed, *changes.removed, *changes.appeared)}
        with writing(self.top.url):
            self.top.remove(SUCCESS_FILE)
            for name in self.captions.names():
                if _is_of(redone, name):
                    self.captions.remove(name)
        raise RunError(
            f"another command planned the run in {self.top.url} anew, with --accept-changed, while this one "
            "was at work. Start the same command again: it resumes."
        )

    def written(self, stems: Stems = None) -> WrittenChunks:
        """The chunks that are here of the shards in `stems`, or of all."""
        chunks = WrittenChunks()
        for stem, position, footer in self._footers(stems):
            chunks.add(stem, position, footer)
        return chunks

    def remove_errors(self, stems: Stems = None) -> None:
        """Remove the chunks that hold error rows. They are then missing, also if the run is interrupted."""
        broken = [(stem, position) for stem, position, footer in self._footers(stems) if footer.errors]
        self._remove([file_name(stem, position) for stem, position in broken])

    def remove_beyond_the_end(self, stems: Stems = None) -> WrittenChunks:
        """The chunks that are here once those after their shard's last are removed. Raises RunError."""
        written = self.written(stems)
        if stale := written.beyond_the_end():
            self._remove(stale)
            written = self.written(stems)
        return written

    def may_hold_all_of(self, shards: Sequence[Shard]) -> bool:
        """Whether each shard has a file here, by the names alone: a listing, and not a request a file."""
        there = {key[0] for key in map(parse_file_name, self.captions.names()) if key}
        return all(shard_file_stem(shard.id) in there for shard in shards)

    def _unreadable(self, raw: bytes, error: ValidationError) -> str:
        if before := _is_before_plans(raw):
            return (
                f"OUTPUT {self.top.url} holds a run of an earlier MacCap ({before}), which did not "
                "record what it was planned on, so that it cannot be resumed safely. Finish it with the "
                "version that began it, or choose another OUTPUT."
            )
        return super()._unreadable(raw, error)

    def _remove(self, names: list[str]) -> None:
        try:
            for name in names:
                self.captions.remove(name)
        except OSError as error:
            raise RunError(f"{self.captions.url} cannot be changed: {describe(error)}") from None

    def _footers(self, stems: Stems) -> Iterator[tuple[str, int, ChunkFooter]]:
        """Footers, read by several threads."""
        with ThreadPoolExecutor(FOOTERS_AT_ONCE) as pool:
            names = iter([name for name in self.captions.names() if _is_of(stems, name)])
            while some := list(islice(names, 4096)):
                for name, footer in zip(
                    some, pool.map(partial(read_footer, self.captions), some), strict=True
                ):
                    key = parse_file_name(name)
                    if footer is not None and key is not None:
                        yield *key, footer


def _is_of(stems: Stems, name: str) -> bool:
    """Whether `name` is a chunk's file, of one of these shards."""
    key = parse_file_name(name)
    return key is not None and (stems is None or key[0] in stems)


def changed_source(url: str, changes: PlanChanges) -> str:
    """The message for a SOURCE that is not what the run in OUTPUT `url` was planned on."""
    return (
        f"SOURCE is not what the run in OUTPUT {url} was planned on:\n  "
        + "\n  ".join(changes.lines())
        + "\nStart the same command with --accept-changed to caption what is new or changed and to put aside "
        "the captions of what is gone, or choose another OUTPUT."
    )


def _is_before_plans(raw: bytes) -> str | None:
    """The version of a run from before plans were recorded."""
    try:
        facts = json.loads(raw)
        return str(facts["version"]) if "listing" in facts else None
    except (ValueError, KeyError, TypeError):
        return None


def existing_run(run: str) -> tuple[RunFolder, RunFacts]:
    """The folder of a run that was begun, and what its run.json records. Raises UserError for any other."""
    folder = RunFolder(absolute(run).rstrip("/"))
    facts = folder.existing()
    if facts is None:
        raise UserError(f"RUN {run} is no run. Give the OUTPUT of `maccap caption` or `maccap ask`.")
    return folder, facts
