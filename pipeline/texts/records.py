"""Records: JSON objects that each hold captions, and files with one a line."""

from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.formats.json_stream import json_object
from pipeline.texts.columns import IMAGE_NAMES, caption_column, image_name, inferred, missing_column, normal
from pipeline.texts.found import Found, NoCaptionsError, Note, captions_in
from pipeline.texts.lines import text_lines

_FIELDS_KEPT = 20
CERTAIN = ("captions", "caption", "caption_str")
"""Fields that hold captions wherever they are."""
_SPLITS = ("split", "set_name")
_ANSWERING = ("gpt", "assistant", "model")


def read_jsonl(stream: Any, name: str, column: str | None, note: Note) -> Iterator[Found]:
    """The captions of the record on each line; a line that is no such record is a broken one.

    Raises NoCaptionsError where no record holds captions.
    """
    return read_records(text_lines(stream, name), name, column, note)


def read_records(lines: Iterable[str], name: str, column: str | None, note: Note) -> Iterator[Found]:
    """As `read_jsonl`, of lines that were read before."""
    fields: dict[str, None] = {}
    filled = understood = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        filled += 1
        captions = None
        if (record := json_object(line)) is not None:
            captions = record_captions(record, number, column, note)
            if len(fields) < _FIELDS_KEPT:
                fields.update(dict.fromkeys(record))
        if captions is None:
            yield Found(None, number, broken=True)
        else:
            understood += 1
            yield from captions
    if fields and not understood:
        raise missing_column(name, column, list(fields))
    if filled and not understood:
        raise NoCaptionsError(
            "records without captions", f"{name} has no JSON object with captions on any line."
        )


def record_captions(
    record: dict[str, Any], place: int | str, column: str | None, note: Note
) -> Iterable[Found] | None:
    """The captions of one record, of the split that it names: those in its column, or what a model answered
    in a conversation of one question. None where it is no such record.
    """
    split = next((record[key] for key in _SPLITS if isinstance(record.get(key), str)), None)
    names = list(record)
    index = caption_column(names, column)
    if index is not None:
        if inferred(names[index]):
            note(f"records with captions in `{names[index]}`")
        return _texts(record[names[index]], place, split, _image(record))
    turns = record.get("conversations", record.get("messages"))
    if column is None and isinstance(turns, list):
        note("conversations, with a caption where there is one answer to one question")
        return captions_in(_answer(turns), place, split, _image(record))
    return None


def certain_captions(
    record: dict[str, Any], place: int | str, column: str | None, note: Note
) -> Iterable[Found] | None:
    """As `record_captions`, of an object that may be of any kind: only fields that can be nothing else."""
    fields = {*(CERTAIN if column is None else (column,)), *_SPLITS}
    kept = {key: value for key, value in record.items() if key in fields or normal(key) in IMAGE_NAMES}
    return record_captions(kept, place, column, note)


def _texts(value: object, place: int | str, split: str | None, image: str | int | None) -> Iterator[Found]:
    """As `captions_in`; sentences may be objects with their text in `raw` (Karpathy)."""
    items = value if isinstance(value, list) else [value]
    texts = [item.get("raw", item) if isinstance(item, dict) else item for item in items]
    return captions_in(texts, place, split, image)


def _image(record: dict[str, Any]) -> str | int | None:
    """What a record calls its image."""
    named = {normal(key): value for key, value in record.items()}
    return next((image for name in IMAGE_NAMES if (image := image_name(named.get(name))) is not None), None)


def _answer(turns: list[Any]) -> object:
    """What is said in answer to the only question; no text where there is not exactly one answer."""
    answers = [
        turn.get("value", turn.get("content"))
        for turn in turns
        if isinstance(turn, dict) and turn.get("from", turn.get("role")) in _ANSWERING
    ]
    if len(answers) != 1:
        return False
    if not isinstance(answers[0], list):
        return answers[0]
    parts = [part.get("text") for part in answers[0] if isinstance(part, dict)]
    return " ".join(part for part in parts if isinstance(part, str))
