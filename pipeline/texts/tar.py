"""WebDataset tars with captions in `.txt` or `.caption` members, or in the `.json` of a sample."""

import json
import posixpath
from collections.abc import Iterator
from typing import Any

from pipeline.formats.tar import tar_members
from pipeline.storage.redact import printable
from pipeline.texts.found import Found, NoCaptionsError, Note
from pipeline.texts.layout import is_hidden_path
from pipeline.texts.records import certain_captions

_TEXTS = (".txt", ".caption")
_MEMBER_BYTES = 16 << 20
_ENDINGS_SHOWN = 8


def read_tar(stream: Any, name: str, column: str | None, note: Note) -> Iterator[Found]:
    """A caption for every line of every text member; of a sample without one, the captions of its `.json`.
    A place is the member's name.

    The tar is read once, front to back, and nothing is unpacked to disk. Raises NoCaptionsError where no
    member holds captions, and `tarfile.ReadError` where the tar ends early or is damaged.
    """
    endings: dict[str, None] = {}
    understood = False
    for ending, captions in _samples(stream, column):
        if len(endings) < _ENDINGS_SHOWN:
            endings[ending] = None
        if captions and ending == ".json":
            note("tar with captions in its samples' .json")
        understood = understood or bool(captions)
        yield from captions
    if not understood:
        found = ", ".join(printable(ending) or "none" for ending in endings) or "the tar is empty"
        raise NoCaptionsError(
            "tars without captions",
            f"{name} holds no .txt member to read captions from, and no .json with a caption (endings of its "
            f"members: {found}).",
        )


def _samples(stream: Any, column: str | None) -> Iterator[tuple[str, list[Found]]]:
    """The ending of every member and the captions it adds, those of a .json once its sample has no text."""
    sample, from_text, from_json = "", False, list[Found]()
    for member, read in tar_members(stream):
        stem, ending = posixpath.splitext(member.name)
        ending = ending.lower()
        if is_hidden_path(member.name) or member.refusal:
            continue
        if stem != sample:
            yield from _of_json(from_json)
            sample, from_text, from_json = stem, False, []
        captions: list[Found] = []
        place = printable(member.name)
        if ending in (*_TEXTS, ".json") and member.size > _MEMBER_BYTES:
            captions = [Found(None, place, broken=True)]
        elif ending in _TEXTS:
            from_text, from_json = True, []
            text = read().decode("utf-8-sig", "surrogateescape").removesuffix("\n")
            captions = [Found(line, place) for line in text.split("\n")]
        elif ending == ".json" and not from_text:
            from_json = _captions(read(), place, column)
        yield ending, captions
    yield from _of_json(from_json)


def _of_json(captions: list[Found]) -> Iterator[tuple[str, list[Found]]]:
    if captions:
        yield ".json", captions


def _captions(data: bytes, place: str, column: str | None) -> list[Found]:
    try:
        record = json.loads(data.decode("utf-8-sig", "surrogateescape"), strict=False)
    except (ValueError, RecursionError):
        return []
    if not isinstance(record, dict):
        return []
    return list(certain_captions(record, place, column, lambda _: None) or ())
