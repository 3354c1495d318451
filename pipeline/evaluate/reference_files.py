"""Reference files, told apart by their extension: JSON, JSON lines, text tables, Parquet.

{"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}       COCO, NoCaps
{"images": [{"filename", "cocoid", "split", "sentences": [{"raw"}]}]}             Karpathy's splits
[{"image": ..., "caption": [...]}], {"a.jpg": ["...", "..."]}                     lists and mappings
1000092795.jpg#0<TAB>Two young guys ...                                           Flickr30k's token file
image,caption                                                                     a table with a header
"""

import csv
import gzip
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.evaluate.references import FILE_NAMES, IDS, Fields, References, texts_in
from pipeline.formats.json_stream import JsonStream, json_object
from pipeline.formats.names import NUMBERED, is_id
from pipeline.formats.quoted_rows import quoted_rows
from pipeline.storage.errors import UserError
from pipeline.storage.files import locate, open_stream, reading_file
from pipeline.storage.redact import shown
from pipeline.storage.urls import bare_name
from pipeline.texts.columns import KNOWN, caption_column, normal
from pipeline.texts.lines import as_text, text_lines

_LISTS = (None, "images", "annotations")
"""Keys of lists of images or captions; None is a bare list."""
_BATCH_ROWS = 4096
_DELIMITERS = "\t|,;"
_OTHER_COLUMNS = ("split", "set_name", "domain", "filepath", "file_path")


class _Image(NamedTuple):
    """What COCO's list of images says of one."""

    names: tuple[object, ...]
    split: str | None = None
    group: str | None = None


def read_references(url: str, fields: Fields) -> References:
    """The images of the file, each once, with their captions.

    Raises UserError where the file cannot be read or holds none.
    """
    name = shown(url)
    ending = bare_name(url)
    packed = ending.endswith(".gz")
    ending = ending.removesuffix(".gz").rpartition(".")[2]
    if ending not in _READERS:
        raise UserError(f"--references {name}: understood are files that end in .{', .'.join(_READERS)}.")
    found = References(f"--references {name}", fields)
    with reading_file(found.file), open_stream(*locate(url)) as stored:
        _READERS[ending](gzip.GzipFile(fileobj=stored) if packed else stored, found)
    found.check()
    return found


def _read_json(stream: Any, found: References) -> None:
    text = as_text(stream)
    start = text.readline(1 << 20)
    if start.rstrip().endswith("}") and json_object(start) is not None:
        second = text.readline()
        if second.strip():
            return _read_lines(chain([start, second], text), found)
    images: dict[object, _Image] = {}
    texts: dict[object, list[str]] = {}
    for key, element in JsonStream(text, start).elements():
        if key is not None and key not in _LISTS and is_id(key):
            found.add((key,), texts_in({"captions": element}, None) or ())
        elif not isinstance(element, dict):
            found.unreadable += key in _LISTS
        elif key == "annotations" and isinstance(element.get("caption"), str):
            texts.setdefault(element.get("image_id"), []).append(element["caption"])
        elif key == "images" and texts_in(element, found.fields.captions) is None:
            images[element.get("id")] = _Image(
                found.names_in(element), element.get("split"), element.get("domain")
            )
        elif key in _LISTS:
            found.add_record(element)
    for image_id, captions in texts.items():
        image = images.get(image_id, _Image((image_id,)))
        if found.wants(image.split):
            found.add(image.names, captions, image.group)
    return None


def _read_jsonl(stream: Any, found: References) -> None:
    _read_lines(text_lines(stream, found.file), found)


def _read_lines(lines: Iterable[str], found: References) -> None:
    for line in lines:
        if not line.strip():
            continue
        if (record := json_object(line)) is None:
            found.unreadable += 1
        else:
            found.add_record(record)


def _read_table(stream: Any, found: References) -> None:
    lines = text_lines(stream, found.file)
    first = next(lines, "")
    for delimiter in _DELIMITERS:
        cells = [cell.strip() for cell in next(csv.reader([first], delimiter=delimiter), [])]
        names = [cell if cell in found.fields else normal(cell) for cell in cells]
        if len(cells) < 2:
            continue
        text = caption_column(names, found.fields.captions)
        image = next((place for place, name in enumerate(names) if _names_image(name, found.fields)), None)
        if text is not None and image is not None:
            for row in _cells(lines, delimiter, len(cells), image):
                found.add_record(dict(zip(names, row, strict=False)))
            return
        if is_id(NUMBERED.sub("", cells[0])) and found.fields == Fields():
            for row in _cells(chain([first], lines), delimiter, 2, 0):
                found.add((NUMBERED.sub("", row[0]),), row[1:])
            return
    raise UserError(
        f"{found.file} is not understood from its first line on: it must name the columns, of which one is "
        "the image and one its caption (others are named with --image-column and --column), or begin with an "
        "image's name, before a tab or a comma and its caption."
    )


def _names_image(column: str, fields: Fields) -> bool:
    return column in (*FILE_NAMES, *IDS) if fields.image is None else column == fields.image


def _cells(lines: Iterable[str], delimiter: str, width: int, image: int) -> Iterator[list[str]]:
    """Cells of the rows; a caption at a row's end may hold the delimiter without quotes."""
    rows: Iterator[list[str]]
    if delimiter in ",;":
        rows = (row for _, row in quoted_rows(lines, delimiter, width, image))
    else:
        rows = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    for row in rows:
        if any(map(str.strip, row)):
            cells = [cell.strip() for cell in row]
            yield [*cells[: width - 1], delimiter.join(cells[width - 1 :])]


def _read_parquet(stream: Any, found: References) -> None:
    file = pq.ParquetFile(stream)
    names = file.schema_arrow.names
    fields = found.fields
    asked = {name for name in (fields.captions, fields.image) if name is not None}
    if missing := asked - {*names}:
        raise UserError(f"{found.file} has no column {', '.join(missing)}. Its columns: {', '.join(names)}.")
    known = {*FILE_NAMES, *IDS, *KNOWN, *_OTHER_COLUMNS}
    wanted = [name for name in names if name in asked or (name in known and not _is_heavy(file, name))]
    for batch in file.iter_batches(_BATCH_ROWS, columns=wanted):
        for record in batch.to_pylist():
            found.add_record(record)


def _is_heavy(file: pq.ParquetFile, name: str) -> bool:
    """Whether a column holds images themselves."""
    kind = file.schema_arrow.field(name).type
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_struct(kind)


_READERS: dict[str, Callable[[Any, References], None]] = {
    "json": _read_json,
    "jsonl": _read_jsonl,
    "ndjson": _read_jsonl,
    **dict.fromkeys(("csv", "tsv", "txt", "token"), _read_table),
    "parquet": _read_parquet,
}
