"""Where the chunks of a shard that are still to be made go, between those that are written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Gap:
    """Chunks at `positions`, of the shard's rows from `start` up to `stop` (excluded). Behind the last
    written chunk `stop` is None, and the one position is the first of as many as it takes.
    """

    positions: tuple[int, ...]
    start: int
    stop: int | None = None

    def position(self, number: int) -> int:
        return self.positions[0] + number if self.stop is None else self.positions[number]

    def is_last(self, number: int) -> bool:
        """Whether chunk `number` of the gap takes all rows that are left."""
        return self.stop is not None and number == len(self.positions) - 1

    def is_short(self, number: int, index: int) -> bool:
        """Whether each row from `index` on must begin a chunk, for every position to have one."""
        return self.stop is not None and self.stop - index < len(self.positions) - number


def gaps(written: Mapping[int, range]) -> Iterator[Gap]:
    """The gaps between written chunks, in order, the open one at the end included."""
    missing: list[int] = []
    position, start = 0, 0
    for place in sorted(written):
        missing += range(position, place)
        position, rows = place + 1, written[place]
        if not rows:
            continue
        if missing:
            yield Gap(tuple(missing), start, rows.start)
        missing, start = [], rows.stop
    yield Gap((*missing, position)[:1], start)
