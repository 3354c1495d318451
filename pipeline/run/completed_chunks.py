"""What a run folder holds, by the footers of its chunks: a number or two a chunk, never an id a row."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.chunk import file_name, shard_file_stem
from pipeline.stages.write import ChunkFooter


@dataclass
class ShardProgress:
    """The chunks of one shard that are written: by position, the indices of the rows that each holds."""

    positions: dict[int, range] = field(default_factory=dict)
    final: int | None = None

    @property
    def rows(self) -> int:
        return sum(map(len, self.positions.values()))

    @property
    def kept(self) -> dict[int, range]:
        """Those that fit to the ones before them. Where what a shard holds can change from one reading to the
        next, as with URLs, two readings may have cut it in two ways.
        """
        kept: dict[int, range] = {}
        stop = 0
        for position in sorted(self.positions):
            rows = self.positions[position]
            follows = position == 0 or position - 1 in kept
            if rows and (rows.start < stop or (follows and rows.start != stop)):
                continue
            kept[position] = rows
            stop = rows.stop if rows else stop
        return kept

    @property
    def complete(self) -> bool:
        kept = self.kept
        return self.final is not None and all(position in kept for position in range(self.final + 1))


@dataclass
class WrittenChunks:
    """What a run folder holds: totals, and the written chunks by shard."""

    chunks: int = 0
    rows: int = 0
    errors: int = 0
    questions: int = 0
    unanswered: int = 0
    had_captions: int | None = None
    kept: int = 0
    flags: Counter[str] | None = None
    decoders: Counter[str] = field(default_factory=Counter)
    _shards: dict[str, ShardProgress] = field(default_factory=dict)

    def add(self, stem: str, position: int, footer: ChunkFooter) -> None:
        progress = self._shards.setdefault(stem, ShardProgress())
        progress.positions[position] = footer.indices
        if footer.last:
            progress.final = position if progress.final is None else min(position, progress.final)
        self.chunks += 1
        self.rows += footer.rows
        self.errors += footer.errors
        self.questions += footer.questions
        self.unanswered += footer.unanswered
        self.kept += footer.kept
        if footer.had_captions is not None:
            self.had_captions = (self.had_captions or 0) + footer.had_captions
        if footer.flags is not None:
            self.flags = (self.flags or Counter()) + Counter(footer.flags)
        self.decoders.update(footer.decoders)

    def beyond_the_end(self) -> list[str]:
        """Names of chunks after their shard's last: of an earlier reading, when the shard was longer."""
        return [
            file_name(stem, position)
            for stem, progress in self._shards.items()
            for position in progress.positions
            if progress.final is not None and position > progress.final
        ]

    def of_shard(self, shard: str) -> ShardProgress:
        return self._shards.get(shard_file_stem(shard), ShardProgress())


def unfinished(shards: Iterable[str], written: WrittenChunks) -> list[str]:
    """The shards of which a chunk is missing."""
    return [shard for shard in shards if not written.of_shard(shard).complete]
