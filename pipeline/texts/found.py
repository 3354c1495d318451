"""What every reader of caption files yields, and what it raises for a file of something else."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from pipeline.storage.errors import UserError

Note = Callable[[str], None]
"""Takes what a file was recognised as, where its name alone does not say that."""


class Found(NamedTuple):
    """One caption as its file holds it; bytes that are no UTF-8 are lone surrogates (`surrogateescape`).

    `place` is the number of the line or record, from 1, or the name of the tar member. `text` is None for a
    field without a value; `broken` marks a record in which there is no caption to be had. `image` is what the
    file calls the image; without it, captions of one place are of the same image.
    """

    text: str | None
    place: int | str
    split: str | None = None
    broken: bool = False
    image: str | int | None = None


class NoCaptionsError(UserError):
    """A file that holds something else than captions. `kind` counts such files together, as in `JSON of
    another shape`. One that was named is refused; in a folder it is left out.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def captions_in(
    value: object, place: int | str, split: str | None = None, image: str | int | None = None
) -> Iterator[Found]:
    """The captions in a record's field: a text, a list of texts, or nothing."""
    for item in value if isinstance(value, list) else [value]:
        if item is None or isinstance(item, str):
            yield Found(item, place, split, image=image)
        else:
            yield Found(None, place, split, broken=True)
