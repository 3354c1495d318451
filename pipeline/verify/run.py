"""A whole run: its marks and totals, files that belong to no shard, and each shard's own."""

import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pipeline.chunk import file_name, parse_file_name, shard_file_stem
from pipeline.run.facts import RunFacts
from pipeline.run.pinned_plan import PlanChanges, compared
from pipeline.run.record import SUCCESS_FILE, SUMMARY_FILE
from pipeline.run.run_folder import RUN_FILE, RunFolder
from pipeline.run.selection import first_images
from pipeline.sources import Shard, SourceOptions, plan_source, read_shard
from pipeline.sources.kept_features import KeptArgs
from pipeline.sources.sample import row_ids
from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe, printable
from pipeline.storage.urls import absolute
from pipeline.verify.shard import AGAIN, REMOVE, ShardCheck, ShardReport, SourceShard

_AT_ONCE = 8  # shards read side by side: on an object store each file is a request
_AGAIN = re.compile("start the same command again", re.IGNORECASE)
_TOTALS = ("shards", "chunks", "rows", "errors")


@dataclass
class Verification:
    """What has been read so far, and how much of it was wrong."""

    run: str
    shards: int = 0
    shards_checked: int = 0
    chunks: int = 0
    rows: int = 0
    errors: int = 0
    unread_shards: int = 0
    problems: int = 0
    started: float = field(default_factory=time.monotonic)

    def add(self, report: ShardReport) -> None:
        self.shards_checked += 1
        self.chunks += report.files
        self.rows += report.rows
        self.errors += report.errors
        self.unread_shards += report.unread
        self.problems += len(report.problems)

    def facts(self) -> dict[str, Any]:
        shown = {name: value for name, value in vars(self).items() if name != "started"}
        return {**shown, "seconds": round(time.monotonic() - self.started, 2)}

    def line(self) -> str:
        shards = f"{self.shards_checked:,} of {self.shards:,} shards"
        return f"{self.rows:,} rows  {shards}  {self.problems:,} problems"


def verify_run(
    run: str, with_source: bool, say: Callable[[str], None], show: Callable[[Verification], Any]
) -> Verification:
    """Read the table of `run` back. Each thing that is wrong goes to `say` as it is found, on one line that
    names the file and the fix.

    With the source, each shard is read again as the run read it, but for decoding. `show` is entered as a
    context with what is being counted. Raises UserError where RUN is no run, or its source is gone.
    """
    folder = RunFolder(absolute(run).rstrip("/"))
    facts = _facts(folder)
    pinned = folder.planned() or []
    verification = Verification(run=folder.top.url)

    planned, changes = _planned(facts, pinned, with_source)
    differing = {*changes.changed, *changes.removed, *changes.appeared}

    def tell(problem: str) -> None:
        # the same command alone is refused where SOURCE has changed
        say(_AGAIN.sub(r"\g<0> with --accept-changed", problem) if changes else problem)

    def wrong(problem: str) -> None:
        verification.problems += 1
        tell(problem)

    for line in changes.lines():
        wrong(f"SOURCE {facts.source} is not what the run was planned on: {line}. {AGAIN}")
    positions = defaultdict[str, list[int]](list)
    for name in folder.captions.names():
        key = parse_file_name(name)
        if key is not None:
            positions[key[0]].append(key[1])
        elif not name.startswith("."):  # which readers of the table pass over, too
            wrong(f"{folder.captions.url}/{printable(name)} is not a file of the run. Remove it.")
    shards = {shard_file_stem(shard.id): shard for shard in planned}
    if facts.limit is not None and not with_source:  # only the source tells how far the limit reaches
        shards = {stem: shard for stem, shard in shards.items() if stem in positions}
    known = shards.keys() | {shard_file_stem(shard.id) for shard in pinned if facts.limit is None}
    for stem in sorted(positions.keys() - known):
        for position in positions[stem]:
            path = f"{folder.captions.url}/{file_name(stem, position)}"
            wrong(f"{path} belongs to no shard that the run was planned on. Remove it.")
    verification.shards = len(shards)

    def check(stem: str) -> ShardReport:
        shard = shards[stem]
        source = None if not with_source or shard.id in differing else _source(shard, facts)
        return ShardCheck(folder.captions, facts, stem, source).run(positions.get(stem, []))

    with show(verification):
        for report in _side_by_side(check, shards):
            verification.add(report)
            for problem in report.problems:
                tell(problem)
        for problem in _marks(folder, verification):
            wrong(problem)
    return verification


def _facts(folder: RunFolder) -> RunFacts:
    facts = folder.existing()
    if facts is None:
        raise UserError(
            f"RUN {folder.top.url} holds no {RUN_FILE}. Give the OUTPUT of `maccap caption`; if that file is "
            "lost, start the same command again into a new OUTPUT."
        )
    return facts


def _planned(facts: RunFacts, pinned: list[Shard], with_source: bool) -> tuple[list[Shard], PlanChanges]:
    """The shards that the run is planned on, as SOURCE has them, and how they differ. Raises UserError."""
    if not with_source:
        return pinned, PlanChanges()
    options = SourceOptions.of(facts)
    try:
        shards, changes = compared(pinned, plan_source(facts.source, options, pinned=pinned).shards)
        now = {shard.id: shard for shard in shards}
        shards = [now.get(shard.id, shard) for shard in pinned]
        if facts.limit is not None:
            shards = first_images(shards, facts.limit, lambda shard: None, facts.max_bytes)
        return shards, changes
    except UserError as error:
        raise UserError(f"{error} To verify the run without its source: --no-source.") from None


def _source(shard: Shard, facts: RunFacts) -> SourceShard:
    ids = row_ids(shard.id, read_shard(shard, facts.max_bytes))
    # rows made from kept features say which shard of images they once were
    return SourceShard(None if isinstance(shard.args, KeptArgs) else printable(shard.id), ids)


def _side_by_side(check: Callable[[str], ShardReport], stems: Iterable[str]) -> Iterator[ShardReport]:
    """The reports in the order of the shards."""
    rest = iter(stems)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while some := list(islice(rest, 8 * _AT_ONCE)):
            yield from pool.map(check, some)


def _marks(folder: RunFolder, found: Verification) -> Iterator[str]:
    """What is wrong with the files that mark a run as complete. Totals are compared where all else is sound:
    otherwise they differ for that reason.
    """
    try:
        success, raw = folder.top.read(SUCCESS_FILE), folder.top.read(SUMMARY_FILE)
        if success is None:
            yield f"{folder.top.url}/{SUCCESS_FILE} is missing: the run is not finished. {AGAIN}"
        if raw is None:
            if success is not None:
                yield f"{folder.top.url}/{SUMMARY_FILE} is missing. {AGAIN}"
            return
        summary = json.loads(raw)
        totals = {name: summary[name] for name in _TOTALS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield f"{folder.top.url}/{SUMMARY_FILE} is damaged ({describe(error)}). {REMOVE}"
        return
    if found.problems:
        return
    there = {name: getattr(found, name) for name in _TOTALS}
    for name in _TOTALS:
        if totals[name] != there[name]:
            yield (
                f"{folder.top.url}/{SUMMARY_FILE} counts {totals[name]} {name}, and the files hold "
                f"{there[name]}. {REMOVE}"
            )
