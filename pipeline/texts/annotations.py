"""JSON files of captions: COCO's annotations, Karpathy's splits, conversations, and plain lists."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from pipeline.formats.json_stream import JsonStream, json_object
from pipeline.formats.names import is_name
from pipeline.storage.errors import UserError
from pipeline.storage.redact import printable
from pipeline.texts.found import Found, NoCaptionsError, Note, captions_in
from pipeline.texts.lines import UTF16_MARKS, as_text, utf16
from pipeline.texts.records import CERTAIN, certain_captions, read_records, record_captions
from pipeline.texts.splits import known_split

SHAPES = (
    '{"annotations": [{"caption": ...}]} (COCO), {"images": [{"split": ..., "sentences": [{"raw": ...}]}]} '
    '(Karpathy), {"image name": ...}, or a list of {"split": ..., "captions": [...]}, of {"caption": ...}, '
    "of conversations, or of texts. Another field of the objects is named with --column"
)
_KEYS_SHOWN = 8
_LINE_CHARACTERS = 1 << 20


def read_json(stream: Any, name: str, column: str | None, note: Note) -> Iterator[Found]:
    """The captions of any of the `SHAPES`; a place is the number of the annotation, image or list element, or
    the image's name. Of a file of JSON lines it is the line.

    Raises NoCaptionsError where the JSON has another shape, UserError where it is UTF-16 or several values,
    ValueError where it is cut short or damaged.
    """
    text = as_text(stream)
    first = text.readline(_LINE_CHARACTERS)
    second = text.readline(_LINE_CHARACTERS) if first.rstrip().endswith("}") else ""
    if second.startswith("{") and json_object(first) is not None:
        yield from read_records(chain((first, second), text), name, column, note)
        return
    json_stream = JsonStream(text, first + second)
    start = json_stream.peek()
    if not start:
        return
    if any(mark.startswith(start) for mark in UTF16_MARKS):
        raise utf16(name)
    counts: dict[str | None, int] = {}
    fields: dict[str | None, Any] = {}  # of each list's first object
    understood = False
    for key, element in json_stream.elements():
        counts[key] = counts.get(key, 0) + 1
        if isinstance(element, dict):
            fields.setdefault(key, list(islice(element, _KEYS_SHOWN)))
        captions = _captions(key, element, counts[key], column, note)
        if captions is not None and start in "[{":
            understood = True
            yield from captions if key is None else _of_split(known_split(key), captions)
        elif key in (None, "annotations"):
            yield Found(None, counts[key], broken=True)
    if json_stream.peek():
        raise UserError(f"{name} holds more than one JSON value. Write it as a list, or one value a line.")
    if counts and not understood:
        raise NoCaptionsError(
            "JSON of another shape",
            f"{name} has no captions where they are looked for: {_shape(start, counts, fields)}.",
        )


def _captions(
    key: str | None, element: Any, number: int, column: str | None, note: Note
) -> Iterable[Found] | None:
    """None for what is no part of any known shape."""
    image = key is not None and (is_name(key) or key.isdecimal())
    place = printable(str(key)) if image else number
    if isinstance(element, str):
        return [Found(element, place)] if image or key is None or key in CERTAIN else None
    if not isinstance(element, dict):
        return None
    if key is None:
        return record_captions(element, number, column, note)
    if key == "images" and isinstance(element.get("sentences"), list):
        return _sentences(element, number)
    return certain_captions(element, place, column, note)


def _of_split(split: str | None, captions: Iterable[Found]) -> Iterable[Found]:
    """Captions below a key that names a split, and say no other themselves."""
    if split is None:
        return captions
    return (found if found.split else found._replace(split=split) for found in captions)


def _sentences(image: dict[str, Any], number: int) -> Iterator[Found]:
    split = image["split"] if isinstance(image.get("split"), str) else None
    for sentence in image["sentences"]:
        if isinstance(sentence, dict) and "raw" in sentence:
            yield from captions_in(sentence["raw"], number, split)
        else:
            yield Found(None, number, split, broken=True)


def _shape(start: str, counts: dict[str | None, int], fields: dict[str | None, Any]) -> str:
    if start not in "[{":
        return f"it is a single value. Understood are {SHAPES}"
    if start == "[":
        inside = (
            f"objects with the keys {_names(fields[None])}" if None in fields else "neither text nor objects"
        )
        return f"it is a list of {inside}. Understood are {SHAPES}"
    keys = [f"{key} (of objects with {_names(fields[key])})" if key in fields else key for key in counts]
    return f"it is an object with the keys {_names(keys)}. Understood are {SHAPES}"


def _names(keys: list[Any]) -> str:
    shown = ", ".join(printable(str(key))[:200] for key in keys[:_KEYS_SHOWN])
    return shown + (", ..." if len(keys) > _KEYS_SHOWN else "")
