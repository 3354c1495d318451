"""Rows of text tables whose cells may stand in quotes, also where a quote is never closed.

A reader of CSV takes all lines up to the next quote into a cell that begins with one, wherever that is: rows
by the hundred are then part of one caption.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from pipeline.formats.names import is_id

_LINES = 3  # of one cell that look like rows, where no column tells the image


def quoted_rows(
    lines: Iterable[str], delimiter: str, width: int, text: int, image: int | None = None
) -> Iterator[tuple[int, list[str]]]:
    """The number of each row's last line, from 1, and its cells, as `csv` reads them; empty lines have none.
    `width` is how many cells a row has, `text` and `image` the places of a text of any length and of what
    names the image.

    Where all further lines of a quoted cell are rows, the quote is part of the text, and the cell ends with
    its line. Raises csv.Error for a cell that is longer than any.
    """
    rest, number = iter(lines), 0
    while taken := list(islice(rest, 1)):
        reader = csv.reader(_recorded(chain(taken[:], rest), taken), delimiter=delimiter)
        try:
            row, error = next(reader), None
        except csv.Error as unclosed:
            row, error = [], unclosed
        if len(taken) > 1 and _are_rows(taken, delimiter, width, text, image):
            row, error = taken[0].rstrip("\r\n").split(delimiter), None
            rest = chain(taken[1:], rest)
            taken = taken[:1]
        if error is not None:
            raise error
        number += len(taken)
        yield number, row


def _recorded(lines: Iterator[str], taken: list[str]) -> Iterator[str]:
    """The lines, each added to those `taken` but the first, which is there."""
    yield next(lines)
    for line in lines:
        taken.append(line)
        yield line


def _are_rows(lines: list[str], delimiter: str, width: int, text: int, image: int | None) -> bool:
    """Whether all of the lines of one quoted cell after its first are rows of their own. The last of a cell
    that is quoted rightly may look like one where cells follow.
    """
    before = image is not None and image < text
    after = lines[1:] if before else lines[1:-1]
    rows = [line.rstrip("\r\n").split(delimiter) for line in after if line.strip()]
    if image is None:
        return width > 1 and len(rows) >= _LINES and all(len(row) == width for row in rows)
    place = image if before else image - width
    return bool(rows) and all(len(row) >= width and is_id(row[place].strip('"')) for row in rows)
