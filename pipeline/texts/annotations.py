"""JSON files of captions: COCO's annotations, Karpathy's splits, and plain lists."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from pipeline.errors import UserError
from pipeline.redact import printable
from pipeline.texts.found import Found, captions_in
from pipeline.texts.json_stream import JsonStream
from pipeline.texts.lines import UTF16_MARKS, as_text, utf16

SHAPES = (
    '{"annotations": [{"caption": ...}]} (COCO), {"images": [{"split": ..., "sentences": [{"raw": ...}]}]} '
    '(Karpathy), or a list of {"split": ..., "captions": [...]}, of {"caption": ...}, or of texts'
)
_KEYS_SHOWN = 8


def read_json(stream: Any, name: str) -> Iterator[Found]:
    """The captions of any of the `SHAPES`; a place is the number of the annotation, image or list element.

    Raises UserError where the JSON has another shape, ValueError where it is cut short or damaged.
    """
    json_stream = JsonStream(as_text(stream))
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
        captions = _captions(key, element, counts[key])
        if captions is not None and start in "[{":
            understood = True
            yield from captions
        elif key in (None, "annotations"):
            yield Found(None, counts[key], broken=True)
    if json_stream.peek():
        raise UserError(f"{name} holds more than one JSON value. If each line is a record, name it .jsonl.")
    if counts and not understood:
        raise UserError(f"{name} has no captions where they are looked for: {_shape(start, counts, fields)}.")


def _captions(key: str | None, element: Any, number: int) -> Iterable[Found] | None:
    """None for what is no part of any known shape."""
    if key is None and isinstance(element, str):
        return [Found(element, number)]
    if not isinstance(element, dict):
        return None
    split = element.get("split")
    split = split if isinstance(split, str) else None
    if key == "images" and isinstance(element.get("sentences"), list):
        return _sentences(element["sentences"], number, split)
    for field in ("captions", "caption") if key is None else ("caption",) if key == "annotations" else ():
        if field in element:
            return captions_in(element[field], number, split)
    return None


def _sentences(sentences: list[Any], number: int, split: str | None) -> Iterator[Found]:
    for sentence in sentences:
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
