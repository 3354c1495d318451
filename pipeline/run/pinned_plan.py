"""What a run was planned on: its shards, each with the size and state that its storage told.

The plan is written once into the run folder, as `plan.parquet`, and what SOURCE holds is compared with it at
every start. Shards are told apart by where they lie, not by their place among others, so that ids and file
names stay what they were when a list or folder grows. Nothing secret of a URL is in it.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.sources import Shard, shard_from_json
from pipeline.storage.look_up import MISSING
from pipeline.storage.redact import printable, redacted, shown

_NAMED = 5  # shards that a message names of each kind


@dataclass(frozen=True)
class PlanChanges:
    """Ids of shards that SOURCE has and the plan has not, that are not what was planned on, and that SOURCE
    has no more; `appeared` were planned on and not there, and are there now.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    appeared: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed or self.appeared)

    def lines(self) -> list[str]:
        """What is not as planned, a line for each kind."""
        kinds = (
            (self.added, "new"),
            (self.changed, "changed"),
            (self.removed, "gone"),
            (self.appeared, "missing then and there now"),
        )
        return [f"{len(ids):,} {what}: {_named(ids)}" for ids, what in kinds if ids]


def plan_file(shards: Sequence[Shard]) -> bytes:
    """The plan as a Parquet file: id, url, size and state of each shard, and how it is read."""
    table = pa.table(
        {
            "id": pa.array([printable(shard.id) for shard in shards]),
            "url": pa.array([shown(shard.url) for shard in shards]),
            "size": pa.array([shard.size for shard in shards], pa.int64()),
            "state": pa.array([shard.state for shard in shards]),
            "shard": pa.array([_public(shard).to_json() for shard in shards]),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def planned_shards(data: bytes) -> list[Shard]:
    """The inverse of `plan_file`, but for secrets of URLs. Raises ValueError for a damaged file."""
    try:
        column = pq.ParquetFile(io.BytesIO(data)).read(columns=["shard"])["shard"]
        return [shard_from_json(text) for text in column.to_pylist()]
    except (OSError, KeyError, TypeError, pa.ArrowException) as error:
        raise ValueError(str(error)) from error


def compared(pinned: Sequence[Shard], now: Sequence[Shard]) -> tuple[list[Shard], PlanChanges]:
    """The shards of SOURCE as it is now, under the ids that they were planned on with, and what differs.

    A shard is the one that was planned on if it lies in the same place, or else has the same id.
    """
    matches = _matches(pinned, now)
    taken = _Names(pinned)
    shards: list[Shard] = []
    changes = PlanChanges()
    for number, shard in enumerate(now):
        old = matches.get(number)
        if old is None:
            shard = taken.apart(shard)
            changes.added.append(shard.id)
        else:
            shard = replace(shard, id=old.id, prefix=old.prefix)
            if old.state == MISSING != shard.state:
                changes.appeared.append(shard.id)
            elif not _is_same(old, shard):
                changes.changed.append(shard.id)
        shards.append(shard)
    there = {old.id for old in matches.values()}
    changes.removed.extend(shard.id for shard in pinned if shard.id not in there)
    return shards, changes


def _matches(pinned: Sequence[Shard], now: Sequence[Shard]) -> dict[int, Shard]:
    """The planned shard of each that is there now, by its place in `now`."""
    matches: dict[int, Shard] = {}
    rest = {shard.id: shard for shard in pinned}
    places = {_place(shard): shard for shard in pinned}
    for number, shard in enumerate(now):
        if (old := places.get(_place(shard))) and rest.pop(old.id, None):
            matches[number] = old
    for number, shard in enumerate(now):
        if number not in matches and (old := rest.get(shard.id)) and old.source == shard.source:
            matches[number] = rest.pop(shard.id)
    return matches


def in_planned_order(pinned: Sequence[Shard], now: Sequence[Shard]) -> list[Shard]:
    """`now`, which holds the same shards, in the order of the plan: their numbers are those of partitions."""
    by_id = {shard.id: shard for shard in now}
    return [by_id[shard.id] for shard in pinned]


def _place(shard: Shard) -> tuple[str, str, str]:
    """Where a shard lies: ranges of one folder or list by where they begin."""
    return shard.source, shown(shard.url), printable(shard.args.begins(shard.id))


def _is_same(old: Shard, new: Shard) -> bool:
    """As far as the storage tells. What repeats an id decides ids, too."""
    if not old.args.names_as(new.args):
        return False
    if old.state and new.state:
        return (old.size, old.state) == (new.size, new.state)
    return not (old.size and new.size) or old.size == new.size


class _Names:
    """Ids and prefixes that are given: a new shard may be named from another folder now."""

    def __init__(self, pinned: Sequence[Shard]) -> None:
        self._ids = {shard.id for shard in pinned}
        self._prefixes = {shard.prefix for shard in pinned if shard.prefix}

    def apart(self, shard: Shard) -> Shard:
        """The shard under names that no other has."""
        if shard.id in self._ids:
            shard = replace(shard, id=shown(shard.url))
        if shard.prefix in self._prefixes:
            shard = replace(shard, prefix=shard.id)
        self._ids.add(shard.id)
        self._prefixes |= {shard.prefix} if shard.prefix else set()
        return shard


def _public(shard: Shard) -> Shard:
    return replace(shard, url=redacted(shard.url), args=shard.args.public())


def _named(ids: Sequence[str]) -> str:
    shown = ", ".join(map(printable, ids[:_NAMED]))
    return shown + (f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else "")
