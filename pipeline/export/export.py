"""An export from a run to a folder that trainers load: select, plan, write what is missing, mark."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from maccap import __version__
from maccap.config import Config
from pipeline.export.dataset_card import dataset_card
from pipeline.export.format import Format
from pipeline.export.options import ExportOptions
from pipeline.export.parts import Part, plan_parts
from pipeline.export.registry import build_format
from pipeline.export.run_table import RunTable
from pipeline.export.second_look import SECOND_LOOK, write_second_look
from pipeline.export.selection import LEFT_OUT, SelectedRows, select
from pipeline.export.source_images import CHANGED, check_outside, shards_as_captioned
from pipeline.export.whole_file import remove_temporaries
from pipeline.export.write_part import PARTS, PartResult, PartWriter
from pipeline.run.progress import live_line
from pipeline.run.record import Facts, RunRecord
from pipeline.storage.errors import RunError, UserError
from pipeline.storage.folder import Folder, reading, writing
from pipeline.storage.redact import printable, redacted
from pipeline.storage.urls import absolute, parent

EXPORT_FILE = "export.json"


class ExportFacts(Facts, ExportOptions):
    """What decides an export. `rows` is a digest of the run's files and of what is chosen of them."""

    may_differ: ClassVar[tuple[str, ...]] = ("version", "run")

    run: str
    rows: str
    version: str

    def public(self) -> Self:
        images = redacted(self.images) if self.images else None
        return self.model_copy(update={"run": redacted(self.run), "images": images})


class ExportSummary(Config):
    """What a finished export says of itself: `summary.json`, and the command's last line. Of `rows` in the
    table, `examples` were written; the others were `left_out`, or their images are not there (`lost`).
    The table of a run that is `unfinished` lacks rows.
    """

    output: str
    format: str
    rows: int
    examples: dict[str, int]
    files: int
    left_out: dict[str, int] = Field(default_factory=dict)
    lost: dict[str, int] = Field(default_factory=dict)
    first_lost: dict[str, list[str]] = Field(default_factory=dict)
    notes: dict[str, int] = Field(default_factory=dict)
    below: int | None = None
    unfinished: bool = False
    seconds: float = 0.0


@dataclass
class ExportProgress:
    """Rows of the table that were looked at, and then files and examples that are written."""

    looked_at: int = 0
    files: int = 0
    done: list[PartResult] = field(default_factory=list)
    examples: int = 0

    def note_rows(self, rows: int) -> None:
        self.looked_at = rows

    def add(self, result: PartResult) -> None:
        self.done.append(result)
        self.examples += result.examples

    def facts(self) -> dict[str, Any]:
        return {
            "rows_looked_at": self.looked_at,
            "files": self.files,
            "files_done": len(self.done),
            "examples": self.examples,
        }

    def line(self) -> str:
        if not self.files:
            return f"{self.looked_at:,} rows looked at"
        return f"{self.examples:,} examples  {len(self.done):,} of {self.files:,} files"


def export_run(
    run: str,
    output: str,
    options: ExportOptions,
    say: Callable[[str], object] = lambda line: None,
    local: bool = False,
) -> ExportSummary:
    """Export the rows of `run` that `options` choose to the folder or URL `output`: on the Ray this
    process is connected to, or a new local one, or in this process (`local`).

    Where an export of the same rows and options was interrupted, what it wrote is kept. Raises UserError
    for what the user can put right and RunError where the export broke.
    """
    start = time.monotonic()
    table = RunTable.open(run)
    check_outside(output, table.facts.source)
    record = RunRecord(absolute(output).rstrip("/"), EXPORT_FILE, ExportFacts, "run's export")
    record.recorded()  # a folder of something else is refused before the table is read
    form = build_format(options, table)
    progress = ExportProgress()
    with live_line(progress):
        selection = select(table, options, progress.note_rows)
        facts = ExportFacts(**dict(options), run=absolute(run), rows=selection.digest, version=__version__)
        record.check(facts)
        if finished := record.finished_summary(ExportSummary):
            return finished
        parts = _planned(table, selection, form, options, run)
        say(f"{selection.chosen:,} of {selection.rows:,} rows go into {len(parts):,} files")
        record.begin(facts)
        done = _done(record.top.url, parts)
        progress.files = len(parts)
        for result in done:
            progress.add(result)
        writer = PartWriter(record.top.url, table.files, form, options.captions, table.facts.max_bytes)
        kept = {result.part for result in done}
        for result in _write(writer, [part for part in parts if part.id not in kept], local):
            progress.add(result)
    summary = _summary(record.top.url, table, selection, options, progress.done)
    if not any(summary.examples.values()):
        raise RunError(
            f"no image of the run could be read: {_counted(summary.lost)}. Put SOURCE back in place."
        )
    if options.below is not None:
        below = write_second_look(table, options.below, record.top.url)
        summary = summary.model_copy(update={"below": below})
    with writing(record.top.url):
        extensions = sorted({one for result in progress.done for one in result.extensions})
        if card := dataset_card(form, options, table.facts, summary.examples, extensions):
            record.top.write("README.md", card.encode())
        _clean_up(record.top.url, form, parts)
    summary = summary.model_copy(update={"seconds": round(time.monotonic() - start, 2)})
    record.finish(summary.model_dump(exclude_none=True))
    return summary


def told(summary: ExportSummary) -> Iterator[str]:
    """What a person is told of an export, a line each."""
    count, rows = sum(summary.examples.values()), summary.rows
    splits = ", ".join(f"{count:,} {name}" for name, count in summary.examples.items())
    yield f"{count:,} of {rows:,} rows in {summary.output} as {summary.format}: {splits}"
    if summary.unfinished:
        yield "the run is not finished: the rows that it lacks are not in this export"
    if summary.left_out:
        yield f"left out: {_counted(summary.left_out)}"
    for why, count in summary.lost.items():
        first = ", ".join(map(printable, summary.first_lost.get(why, ())))
        fix = ". Caption it anew with --accept-changed, and export again" if why == CHANGED else ""
        yield f"{count:,} images are {why}, for instance {first}{fix}"
    for note, count in summary.notes.items():
        yield f"{count:,} {note}"
    if summary.below is not None:
        yield f"{summary.below:,} captions that score below are listed in {summary.output}/{SECOND_LOOK}"


def _planned(
    table: RunTable, selection: SelectedRows, form: Format, options: ExportOptions, run: str
) -> list[Part]:
    if not selection.chosen:
        why = f": of {selection.rows:,} rows {_counted(selection.left_out)}" if selection.rows else " yet"
        raise UserError(f"RUN {run} has no row to export{why}.")

    def rows(columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        for name, split in selection.rows_of.items():
            chosen = np.flatnonzero(split != LEFT_OUT)
            yield from table.files.read(name, columns).take(chosen).to_pylist()

    form.prepare(rows)
    shards = shards_as_captioned(table) if form.with_images else {}
    as_json = {stem: shard.to_json() for stem, shard in shards.items()}
    per_file = form.per_file if options.per_file is None else options.per_file
    return plan_parts(selection, per_file, as_json, form.shard_names)


def _done(output: str, parts: Sequence[Part]) -> list[PartResult]:
    """The results of the parts that an interrupted command has written."""
    folder = Folder(f"{output}/{PARTS}")
    with reading(folder.url):
        folder.make()
        there = set(folder.names())
        found = [folder.read(name) for part in parts if (name := f"{part.id}.json") in there]
    return [PartResult.from_json(data) for data in found if data is not None]


def _write(writer: PartWriter, parts: Sequence[Part], local: bool) -> Iterator[PartResult]:
    if local:
        yield from map(writer, parts)
        return
    from pipeline.export.on_ray import written_on_ray

    yield from written_on_ray(writer, parts)


def _clean_up(output: str, form: Format, parts: Sequence[Part]) -> None:
    """Remove what an interrupted command left, once nothing is left to write, and what is known of parts."""
    with suppress(OSError):  # another command that exports the same may still write there
        Folder(f"{output}/{PARTS}").remove_all()
    names = (form.file_name(part.place) for part in parts)
    for folder in {"", parent(SECOND_LOOK), *map(parent, names)}:
        remove_temporaries(f"{output}/{folder}")


def _summary(
    output: str,
    table: RunTable,
    selection: SelectedRows,
    options: ExportOptions,
    results: Sequence[PartResult],
) -> ExportSummary:
    examples = Counter[str]({_name(split): 0 for split in selection.splits})
    lost, notes, first = Counter[str](), Counter[str](), dict[str, list[str]]()
    for result in results:
        examples[_name(result.split)] += result.examples
        lost.update(result.lost)
        notes.update(result.notes)
        for why, ids in result.first_lost.items():
            first[why] = [*first.get(why, ()), *ids][:3]
    return ExportSummary(
        output=redacted(output),
        format=options.format,
        rows=selection.rows,
        examples=dict(examples),
        files=len(results),
        left_out={why: count for why, count in selection.left_out.items() if count},
        lost=dict(lost),
        first_lost=first,
        notes=dict(notes),
        unfinished=not table.is_finished,
    )


def _name(split: str | None) -> str:
    return split or "train"


def _counted(kinds: dict[str, int] | Counter[str]) -> str:
    return ", ".join(f"{count:,} {why}" for why, count in kinds.items() if count)
