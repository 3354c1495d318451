"""Which part of an archive a command works on: shards by number, a partition of them, or the first images.

Shards and partitions are work for now: other commands do the rest into the same folder. A limit is another
table, and so recorded in `run.json`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeVar

from pipeline.sources import Shard, count_samples, read_shard
from pipeline.sources.sample import MAX_BYTES
from pipeline.storage.errors import UserError

Item = TypeVar("Item")


@dataclass(frozen=True)
class Partition:
    """Part `number` (from 1) of `of`: every `of`-th shard."""

    number: int
    of: int

    @property
    def name(self) -> str:
        return f"{self.number}-of-{self.of}"

    def all(self) -> list["Partition"]:
        """This one and its siblings, in order."""
        return [Partition(number, self.of) for number in range(1, self.of + 1)]


@dataclass(frozen=True)
class Selection:
    """`shards` are ranges of shard numbers, counted from 0 in the order of the plan; empty for all."""

    shards: tuple[range, ...] = ()
    partition: Partition | None = None

    @classmethod
    def parse(cls, shards: str | None, partition: str | None) -> Self:
        """From `0-999` or `0-9,15` and from `1/4`. Raises UserError."""
        if shards and partition:
            raise UserError(
                "--shards and --partition cannot be given together: each tells which shards to do"
            )
        return cls(
            tuple(_range(part) for part in shards.split(",")) if shards else (),
            _partition(partition) if partition else None,
        )

    @property
    def is_all(self) -> bool:
        return not self.shards and self.partition is None

    def of(self, items: Sequence[Item]) -> list[Item]:
        """The items at the selected numbers. Raises UserError where there is none."""
        if self.partition:
            return list(items[self.partition.number - 1 :: self.partition.of])
        if not self.shards:
            return list(items)
        there = range(len(items))
        numbers = sorted({n for part in self.shards for n in there[part.start : part.stop]})
        if not numbers:
            raise UserError(f"--shards selects none: SOURCE has the shards 0 to {len(items) - 1}")
        return [items[number] for number in numbers]


ALL = Selection()


def first_images(
    shards: Sequence[Shard], limit: int, rows: Callable[[Shard], int | None], max_bytes: int = MAX_BYTES
) -> list[Shard]:
    """The shards that hold the first `limit` images, the last of them with a limit of its own.

    `rows` tells how many a shard has, if that is known; any other is read to count them, as `read_shard` does
    with `max_bytes`.
    """
    chosen: list[Shard] = []
    for shard in shards:
        if limit <= 0:
            break
        known = rows(shard)
        count = known if known is not None else count_samples(shard.id, read_shard(shard, max_bytes), limit)
        chosen.append(replace(shard, limit=limit) if count >= limit else shard)
        limit -= count
    return chosen


def _range(text: str) -> range:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if first > last:
        raise UserError(f"--shards takes numbers and ranges, such as 0-999 or 0-9,15, not {text!r}")
    return range(first, last + 1)


def _partition(text: str) -> Partition:
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UserError(f"--partition takes i/n with i from 1 to n, such as 1/4, not {text!r}")
    return Partition(int(match[1]), int(match[2]))
