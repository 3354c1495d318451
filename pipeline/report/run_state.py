"""How far the run is, and what it was made with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.report.numbers import Numbers
from pipeline.run.completed_chunks import WrittenChunks, unfinished
from pipeline.run.facts import RunFacts
from pipeline.run.progress import Progress
from pipeline.run.run_folder import RunFolder
from pipeline.run.summary import Summary
from pipeline.sources import Shard
from pipeline.storage.redact import shown


@dataclass(frozen=True)
class RunState:
    """Of a run that is not finished, `shards_done` of `shards`, and about how many rows there will be:
    None where that cannot be told.
    """

    summary: Summary | None
    shards: int
    shards_done: int
    rows_expected: int | None

    @property
    def finished(self) -> bool:
        return self.summary is not None


def state_of(folder: RunFolder, facts: RunFacts, planned: Sequence[Shard]) -> RunState:
    """Of a run that was planned on these shards."""
    summary = folder.finished_summary(Summary)
    if summary is not None:
        return RunState(summary, summary.shards, summary.shards, summary.rows)
    written = folder.written()
    shards = [shard.id for shard in planned]
    done = len(shards) - len(unfinished(shards, written))
    return RunState(None, len(shards), done, _expected(shards, written, done, facts.limit))


def _expected(shards: list[str], written: WrittenChunks, done: int, limit: int | None) -> int | None:
    missing = set(unfinished(shards, written))
    chunks = sum(len(written.of_shard(shard).positions) for shard in shards if shard not in missing)
    expected = Progress(
        shards=len(shards),
        rows=written.rows,
        chunks=written.chunks,
        shards_done=done,
        chunks_of_done_shards=chunks,
    ).rows_expected
    return expected if limit is None or expected is None else min(limit, expected)


def settings_of(facts: RunFacts, numbers: Numbers) -> Iterator[tuple[str, str]]:
    """What the run was made with, to read."""
    decoding = facts.decoding
    yield "source", shown(facts.source) + (f" ({facts.taken_for})" if facts.taken_for else "")
    yield "model", f"{shown(facts.model)}, fingerprint {facts.model_fingerprint[:12]}"
    if "caption" in numbers.columns:
        yield (
            "decoding",
            f"{decoding.candidates} candidates by strategy {decoding.strategy}, {decoding.samples_per_draw} "
            "per draw of region noise",
        )
    if facts.prompt is not None:
        yield "prompt", facts.prompt.model_dump_json()
    if facts.existing is not None:
        yield "original captions", f"of {facts.existing_caption}"
    yield "seed", str(facts.seed)
    yield "precision", facts.precision
    if facts.limit is not None:
        yield "limit", f"the first {facts.limit:,} images"
    yield "engine", facts.engine
    yield "version", f"MacCap {facts.version}"
    if facts.same_caption:
        yield "same captions", facts.same_caption
