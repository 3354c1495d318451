"""Text files: a caption a line, or a table with a caption in one column, told apart by their first lines.

A dog runs .                                       a caption a line
image,caption                                      a header that names the column (Kaggle's captions.txt)
image_name| comment_number| comment                the same (Flickr30k's results.csv)
1000268201_693b08cb0e.jpg#0<TAB>A dog runs .       images before captions (Flickr8k.token.txt)
A dog runs .<TAB>https://host/dog.jpg              captions before images (Conceptual Captions)
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from pipeline.formats.names import is_id, is_name, one_image
from pipeline.formats.printed_lists import list_of
from pipeline.formats.quoted_rows import quoted_rows
from pipeline.texts.columns import IMAGE_NAMES, caption_column, inferred, missing_column, normal
from pipeline.texts.found import Found, NoCaptionsError, Note, captions_in
from pipeline.texts.lines import text_lines

_HEAD_LINES = 1000
_MOST = 0.9  # of the first lines: what they are in common
_NAMES = {"\t": "tabs", "|": "`|`", ",": "commas", ";": "semicolons", " ": "spaces"}
_OWN = {".csv": ",", ".tsv": "\t"}
_IDENTIFIER = re.compile(r"[\w#.-]{1,60}")


@dataclass(frozen=True)
class Table:
    """How lines become cells, and which cell is the caption, which the split, and which tells the image."""

    delimiter: str
    width: int  # cells in a row
    column: int
    split: int | None = None
    header: bool = False
    quoted: bool = False
    image: int | None = None


def read_lines(stream: Any, name: str) -> Iterator[Found]:
    """A caption for every line, empty ones included, of the image beside which the file lies."""
    return (Found(line, number, image=name) for number, line in enumerate(text_lines(stream, name), 1))


def read_text(stream: Any, name: str, ending: str, column: str | None, note: Note) -> Iterator[Found]:
    """A caption for every line, or the cells of a table's caption column; a place is a line's number.

    Raises NoCaptionsError for a table whose captions are not known to be in one column, csv.Error for a quote
    that is never closed.
    """
    lines = text_lines(stream, name)
    head = list(islice(lines, _HEAD_LINES))
    table = _recognised([line for line in head if line.strip()], name, ending, column, note)
    lines = chain(head, lines)
    if table is None:
        yield from (Found(line, number) for number, line in enumerate(lines, 1))
        return
    rows = _rows(lines, table)
    if table.header:
        next(rows)
    for number, row in rows:
        yield from _captions(row, number, table)


def _recognised(head: list[str], name: str, ending: str, column: str | None, note: Note) -> Table | None:
    """None for a caption a line."""
    own = _OWN.get(ending)
    if not head:
        return None
    delimiters = sorted("\t|,;", key=lambda delimiter: delimiter != own)
    for delimiter in delimiters:
        cells = _header(head[0], delimiter)
        if delimiter != own and (len(cells) < 2 or not all(map(_IDENTIFIER.fullmatch, cells))):
            continue
        if (position := caption_column(cells, column)) is not None:
            if delimiter != own or (column is None and inferred(cells[position])):
                note(f"table with {_NAMES[delimiter]} between columns, captions in `{cells[position]}`")
            split, image = (_named(cells, names) for names in (("split",), IMAGE_NAMES))
            quoted = _is_quoted(head, delimiter, len(cells))
            return Table(delimiter, len(cells), position, split, True, quoted, image)
    for delimiter in (*delimiters, " "):
        table = _without_header(head, delimiter, name, column)
        if table is not None:
            note(
                f"table without a header, {_NAMES[delimiter]} between columns, "
                f"captions in column {table.column + 1}"
            )
            return table
    if own:
        raise missing_column(name, column, _header(head[0], own), " Its first line must name the columns.")
    return None


def _without_header(head: list[str], delimiter: str, name: str, column: str | None) -> Table | None:
    """The table these lines are; None where the delimiter does not part names of images from text."""
    quoted = delimiter in ",;"
    try:
        rows = [row for _, row in _rows(head, Table(delimiter, 2, 0, quoted=quoted))]
    except csv.Error:
        return None
    wide = [row for row in rows if len(row) > 1]
    if not wide or len(wide) < _MOST * len(rows):
        return None
    width = Counter(map(len, wide)).most_common(1)[0][0]
    if column is not None and column.isdecimal() and 1 <= int(column) <= width:
        return Table(delimiter, width, int(column) - 1, quoted=quoted)
    body = wide[1:] or wide  # the first may be a header
    if delimiter in "\t|":
        names = [place for place in range(width) if _are(is_id, body, place)]
    else:  # sentences have these too: names are file names or URLs, and a text without quotes may be cut
        before = _run_of_names(body, range(width))
        after = 0 if delimiter == " " else _run_of_names(body, range(-1, before - width - 1, -1))
        width = before + after + (before < width)
        names = [*range(before), *range(-after, 0)]
    if not names and delimiter != "\t":
        return None
    texts = [place for place in range(width) if place not in names and place - width not in names]
    if not texts:
        raise NoCaptionsError("lists of names", f"{name} holds names, URLs or numbers, and no captions.")
    if names and not any(_are(is_id, wide[:1], place) for place in names):
        raise missing_column(name, column, _header(head[0], delimiter))
    if len(texts) > 1:
        texts = [place for place in texts if _are(_has_space, body, place)]
    if len(texts) != 1:
        raise NoCaptionsError(
            "tables that are not understood",
            f"{name} is from line 1 on a table with {_NAMES[delimiter]} between columns, and which of them "
            f"holds captions is not clear. Name it by its number (--column 1 to --column {width}), or put a "
            "line with the columns' names first.",
        )
    told = [place for place in names if _are(is_name, body, place)] or names
    image = told[0] % width if told else None
    return Table(delimiter, width, texts[0], quoted=quoted, image=image)


def _named(cells: list[str], names: tuple[str, ...]) -> int | None:
    """The place of the first of these names that is a column's."""
    columns = list(map(normal, cells))
    return next((columns.index(name) for name in names if name in columns), None)


def _run_of_names(rows: list[list[str]], places: range) -> int:
    """How many of these columns, from the first on, tell which image it is: the first by file name or URL."""
    told = (_are(is_id if count else is_name, rows, place) for count, place in enumerate(places))
    return next((count for count, is_told in enumerate(told) if not is_told), len(places))


def _are(kind: Callable[[str], bool], rows: list[list[str]], place: int) -> bool:
    cells = [row[place] for row in rows if -len(row) <= place < len(row)]
    return sum(map(kind, cells)) >= _MOST * len(rows)


def _has_space(cell: str) -> bool:
    return len(cell.split()) > 1 or not cell.isascii()


def _rows(lines: Iterable[str], table: Table) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each row; lines of nothing but white space are none."""
    if table.quoted:
        rows = quoted_rows(lines, table.delimiter, table.width, table.image)
        yield from ((number, row) for number, row in rows if any(map(str.strip, row)))
        return
    separator, most = (None, 1) if table.delimiter == " " else (table.delimiter, -1)
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, line.rstrip("\r\n").split(separator, most)


def _captions(row: list[str], number: int, table: Table) -> Iterator[Found]:
    while len(row) > table.width and not row[-1]:
        row.pop()
    more = max(0, len(row) - table.width)
    if len(row) <= table.column or (more and 0 < table.column < table.width - 1):
        yield Found(None, number, broken=True)
        return
    # a caption at either end of a row may hold the delimiter and no quotes
    caption = table.delimiter.join(row[table.column : table.column + more + 1])
    split, image = (_cell(row, place, table, more) for place in (table.split, table.image))
    yield from captions_in(_listed(caption), number, split, one_image(image) if image else None)


def _cell(row: list[str], place: int | None, table: Table, more: int) -> str | None:
    """Of a column beside the caption, which may have been cut into `more` cells."""
    if place is None:
        return None
    place += more * (place > table.column)
    return (row[place].strip() or None) if place < len(row) else None


def _listed(cell: str) -> object:
    """The texts of a cell that is a list of them; else the cell."""
    texts = list_of(cell)
    return cell if texts is None or not any(isinstance(text, str) for text in texts) else texts


def _header(line: str, delimiter: str) -> list[str]:
    return [cell.strip().strip('"').strip() for cell in line.strip("\ufeff\r\n").split(delimiter)]


def _is_quoted(head: list[str], delimiter: str, width: int) -> bool:
    """Whether quotes enclose cells, as in all comma-separated files; in others they may be part of a text."""
    if delimiter in ",;":
        return True
    rows = [line.rstrip("\r\n").split(delimiter) for line in head]
    open_quote = any(cell[:1] == '"' and (len(cell) == 1 or cell[-1] != '"') for row in rows for cell in row)
    return not open_quote or any(len(row) != width for row in rows)
