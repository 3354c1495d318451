"""What is left to do of a run that is prepared: all of a new one, of another what its folder lacks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.chunk import chunk_file_name, shard_file_stem
from pipeline.prepare import PreparedRun, as_planned, within_limit
from pipeline.run.completed_chunks import ShardProgress, WrittenChunks, unfinished
from pipeline.run.pinned_plan import PlanChanges
from pipeline.run.selection import ALL, Selection
from pipeline.sources import Shard


@dataclass(frozen=True)
class Left:
    """`shards` are all that the command works on, `kept` what is written of them, and `changes` what of
    SOURCE would be accepted as it is now.
    """

    shards: list[Shard]
    kept: WrittenChunks
    changes: PlanChanges

    def of_shard(self, shard: Shard) -> ShardProgress:
        """What is written of a shard and would stay."""
        if shard.id in self.changes.changed or shard.id in self.changes.appeared:
            return ShardProgress()
        return self.kept.of_shard(shard.id)

    @property
    def unfinished(self) -> list[Shard]:
        """The shards of which a file is missing, in order."""
        missing = {*unfinished([shard.id for shard in self.shards], self.kept)}
        missing |= {*self.changes.changed, *self.changes.appeared}
        return [shard for shard in self.shards if shard.id in missing]

    @property
    def rows_written(self) -> int:
        return sum(self.of_shard(shard).rows for shard in self.shards)

    @property
    def files_written(self) -> int:
        return sum(len(self.of_shard(shard).kept) for shard in self.shards)

    def next_files(self) -> Iterator[tuple[Shard, str]]:
        """Of each unfinished shard, the file that would be written first."""
        for shard in self.unfinished:
            kept = self.of_shard(shard).kept
            position = next(place for place in range(len(kept) + 1) if place not in kept)
            yield shard, chunk_file_name(shard.id, position)


def what_is_left(
    run: PreparedRun[Any],
    selection: Selection = ALL,
    accept_changed: bool = False,
    retry_errors: bool = False,
) -> Left:
    """As the run would find it; nothing is written. Raises UserError for a SOURCE that has changed."""
    planned, changes = as_planned(run, accept_changed, retry_errors)
    shards = selection.of(within_limit(planned, run.config, run.folder))
    stems = None if selection.is_all else {shard_file_stem(shard.id) for shard in shards}
    kept = run.folder.written(stems) if run.pinned is not None else WrittenChunks()
    return Left(shards, kept, changes)
