"""Parts of a folder of images: paths from one to another, in sorted order, with holes."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

Parts = tuple[str, ...]
"""A path below the folder as its parts. Folders sort among files by name, and a folder's files stay
together."""


@dataclass(frozen=True)
class Span:
    """Paths from `first` on and before `end`, where that is not None, but for those in `holes`: spans without
    holes, in order.
    """

    first: Parts = ()
    end: Parts | None = None
    holes: tuple["Span", ...] = ()

    def __contains__(self, path: Parts) -> bool:
        if path < self.first or (self.end is not None and path >= self.end):
            return False
        before = bisect_right(self._hole_firsts, path)
        return not before or path not in self.holes[before - 1]

    def reaches(self, folder: Parts) -> bool:
        """Whether files below `folder` may be in it."""
        if folder < self.first[: len(folder)] or (self.end is not None and _begins_after(folder, self.end)):
            return False
        return not any(hole._covers(folder) for hole in self.holes)

    def pieces(self) -> Iterator[tuple[Parts, Parts | None]]:
        """Where each part without holes begins and ends."""
        first = self.first
        for hole in self.holes:
            if first < hole.first:
                yield first, hole.first
            if hole.end is None:
                return
            first = hole.end
        yield first, self.end

    def _covers(self, folder: Parts) -> bool:
        """Whether all below `folder` is in it, as far as its first parts tell."""
        begun = folder > self.first[: len(folder)]
        return begun and (self.end is None or folder < self.end[: len(folder)])

    @cached_property
    def _hole_firsts(self) -> list[Parts]:
        return [hole.first for hole in self.holes]


EVERYTHING = Span()


@dataclass(frozen=True)
class Piece:
    """A part of the span number `owner` that has no hole."""

    first: Parts
    end: Parts | None
    owner: int


class Pieces:
    """The pieces of several spans, which together are everything and do not overlap."""

    def __init__(self, spans: Sequence[Span]) -> None:
        pieces = [Piece(*bounds, number) for number, span in enumerate(spans) for bounds in span.pieces()]
        self._pieces = sorted(pieces, key=lambda piece: piece.first)
        self._firsts = [piece.first for piece in self._pieces]
        self._last_of = {piece.owner: piece for piece in self._pieces}

    @property
    def last(self) -> Piece:
        return self._pieces[-1]

    def at(self, path: Parts) -> Piece:
        """The one that holds the path."""
        return self._pieces[max(0, bisect_right(self._firsts, path) - 1)]

    def is_last_of_owner(self, piece: Piece) -> bool:
        return self._last_of[piece.owner] is piece


def _begins_after(folder: Parts, end: Parts) -> bool:
    return folder >= end or folder > end[: len(folder)]
