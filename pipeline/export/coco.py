"""COCO's caption results, as its server and pycocotools read them: a number and a caption each."""

import io
import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from pipeline.evaluate.captions import Row
from pipeline.evaluate.name_index import NameIndex
from pipeline.export.format import Example, Format, Place, only_one_caption
from pipeline.export.options import ExportOptions
from pipeline.export.run_table import RunTable
from pipeline.formats.json_stream import JsonStream
from pipeline.join.image_names import NameRule, image_name
from pipeline.storage.errors import UserError
from pipeline.storage.files import locate, open_stream
from pipeline.storage.redact import describe, printable

_NUMBERS: tuple[NameRule, ...] = ("metadata", "number")
_FIX = "Leave such images out by --where, or give COCO's JSON of the images with --images."


class CocoResults(Format):
    """An image's number is its own `image_id`, `cocoid` or `id`, or ends its name
    (`COCO_val2014_000000262148.jpg`), by one rule for all; or the `id` of its entry in a JSON of images.
    """

    name = "coco"
    about = "COCO's caption results: image_id, a number, and caption"
    ending = "json"
    options = frozenset({"images"})
    needs = "caption"
    per_file = None

    def __init__(self, options: ExportOptions, table: RunTable) -> None:
        super().__init__(options, table)
        only_one_caption(options, "COCO's results")
        self._listed = _ListedImages(options.images) if options.images else None
        self._rule: NameRule = "number"

    def reads(self, column: str) -> bool:
        return column in ("image_id", "caption", "metadata")

    def file_name(self, place: Place) -> str:
        return "_".join(filter(None, ("captions", place.split, "results.json")))

    def prepare(self, rows: Callable[[Sequence[str]], Iterator[dict[str, Any]]]) -> None:
        """Choose the rule. Raises UserError for images without a number, or two with one."""
        names = ("image_id", "metadata")
        if self._listed:
            self._listed.choose_rule(lambda: rows(names))
        else:
            numbered = dict.fromkeys(_NUMBERS, 0)
            for row in rows(names):
                for rule in _NUMBERS:
                    numbered[rule] += _number(rule, row) is not None
            self._rule = max(_NUMBERS, key=lambda rule: numbered[rule])
        numbers, without, first = array("q"), 0, ""
        for row in rows(names):
            number = self._number(row)
            if number is None:
                without, first = without + 1, first or row["image_id"]
            else:
                numbers.append(number)
        if without:
            where = "in --images" if self._listed else "at its end"
            raise UserError(
                f"{without:,} of {without + len(numbers):,} images have no COCO number, for instance "
                f"{printable(first)}: it has none {where}. {_FIX}"
            )
        distinct, counts = np.unique(np.array(numbers, np.int64), return_counts=True)
        if len(distinct) < len(numbers):
            raise UserError(f"{counts.max()} images have the number {distinct[counts.argmax()]}. {_FIX}")

    def write(self, examples: Iterable[Example], file: BinaryIO) -> None:
        write_array(
            file, ({"image_id": self._number(one.fields), "caption": one.caption} for one in examples)
        )

    def _number(self, row: dict[str, Any]) -> int | None:
        return self._listed.number(row) if self._listed else _number(self._rule, row)


def write_array(file: BinaryIO, entries: Iterable[dict[str, Any]]) -> None:
    """A JSON array, an entry per line."""
    start = b"["
    for entry in entries:
        file.write(start + b"\n" + json.dumps(entry).encode())
        start = b","
    file.write(b"\n]\n" if start == b"," else b"[]\n")


def _number(rule: NameRule, row: dict[str, Any]) -> int | None:
    name = image_name(rule, row["image_id"], row.get("metadata"))
    return int(name) if name is not None and name.isdecimal() and len(name) < 19 else None


def _is_number(value: object) -> bool:
    """Of 64 bits, as numbers are held here."""
    return type(value) is int and abs(value) < 2**63


class _ListedImages:
    """The `images` of a COCO JSON, found by their names."""

    def __init__(self, path: str) -> None:
        self._path, names = path, []
        self._numbers: list[int] = []
        try:
            with open_stream(*locate(path)) as stream:
                for key, entry in JsonStream(io.TextIOWrapper(stream, "utf-8-sig")).elements():
                    if key == "images" and isinstance(entry, dict) and _is_number(entry.get("id")):
                        self._numbers.append(entry["id"])
                        names.append(tuple(entry[k] for k in ("file_name", "coco_url", "id") if k in entry))
        except (OSError, ValueError, RecursionError, ImportError) as error:
            raise UserError(f"--images {path} cannot be read: {describe(error)}") from None
        if not names:
            raise UserError(
                f"--images {path} has no `images` with an `id`. Give COCO's annotations or image info."
            )
        self._index = NameIndex(f"--images {path}", names)
        self._rule: NameRule = "name"

    def choose_rule(self, rows: Callable[[], Iterable[dict[str, Any]]]) -> None:
        self._rule = self._index.rule_for(lambda: map(_row, rows()), "the run")

    def number(self, row: dict[str, Any]) -> int | None:
        place = self._index.place_of(self._rule, _row(row))
        return None if place is None else self._numbers[place]


def _row(fields: dict[str, Any]) -> Row:
    image_id = str(fields["image_id"])
    return Row(image_id, "", 0, None, fields.get("metadata"), image_id)
