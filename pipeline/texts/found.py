"""What every reader of caption files yields."""

from collections.abc import Iterator
from typing import NamedTuple


class Found(NamedTuple):
    """One caption as its file holds it; bytes that are no UTF-8 are lone surrogates (`surrogateescape`).

    `place` is the number of the line or record, from 1, or the name of the tar member. `text` is None for a
    field without a value; `broken` marks a record in which there is no caption to be had.
    """

    text: str | None
    place: int | str
    split: str | None = None
    broken: bool = False


def captions_in(value: object, place: int | str, split: str | None = None) -> Iterator[Found]:
    """The captions in a record's field: a text, a list of texts, or nothing."""
    for item in value if isinstance(value, list) else [value]:
        if item is None or isinstance(item, str):
            yield Found(item, place, split)
        else:
            yield Found(None, place, split, broken=True)
