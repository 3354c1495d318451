"""Rows of text tables whose cells may stand in quotes, also where a quote is never closed.

A reader of CSV takes all lines up to the next quote into a cell that begins with one, wherever that is: rows
by the hundred are then part of one caption.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from pipeline.formats.names import is_id


def quoted_rows(
    lines: Iterable[str], delimiter: str, width: int, image: int | None = None
) -> Iterator[tuple[int, list[str]]]:
    """The number of each row's last line, from 1, and its cells, as `csv` reads them; empty lines have none.
    `width` is how many cells a row has, and `image` the place of the one that names the image.

    Where a quote is not closed as `csv.writer` would close it, and all further lines of its cell are rows, it
    is part of the text, and the cell ends with its line. Raises csv.Error for a cell that is longer than any.
    """
    source, number = _Lines(lines), 0
    reader = csv.reader(source, delimiter=delimiter)
    while True:
        source.taken.clear()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            if not _are_rows(source.taken[1:], delimiter, width, image):
                raise
            row = source.first_alone(delimiter)
        else:
            taken = source.taken
            several = len(taken) > 1 and not _is_closed(taken, delimiter)
            if several and _are_rows(taken[1:], delimiter, width, image):
                row = source.first_alone(delimiter)
        number += len(source.taken)
        yield number, row


class _Lines:
    """Lines, of which those `taken` last can be put back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines, self._back = iter(lines), deque[str]()
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._lines)
        self.taken.append(line)
        return line

    def first_alone(self, delimiter: str) -> list[str]:
        """The cells of the first line taken, quotes and all; the others are put back."""
        self._back.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]
        return _cells(self.taken[0], delimiter)


def _is_closed(lines: Sequence[str], delimiter: str) -> bool:
    """Whether quotes end where their cells do, all through a row of several lines."""
    try:
        next(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    return True


def _are_rows(lines: Sequence[str], delimiter: str, width: int, image: int | None) -> bool:
    """Whether all of the lines may be rows, by the number of cells, and by what names the image, counted from
    either end: a text without quotes may be several cells.
    """
    rows = [_cells(line, delimiter) for line in lines if line.strip()]
    places = () if image is None else (image, image - width)
    return (
        width > 1
        and bool(rows)
        and all(
            len(row) >= width and (not places or any(is_id(row[place].strip('"')) for place in places))
            for row in rows
        )
    )


def _cells(line: str, delimiter: str) -> list[str]:
    return line.rstrip("\r\n").split(delimiter)
