"""WebDataset tars with captions in `.txt` members."""

import posixpath
from collections.abc import Iterator
from typing import Any

from pipeline.errors import UserError
from pipeline.redact import printable
from pipeline.sources.tar import tar_members
from pipeline.texts.found import Found

_ENDINGS_SHOWN = 8


def read_tar(stream: Any, name: str) -> Iterator[Found]:
    """A caption for every line of every `.txt` member; a place is the member's name.

    The tar is read once, front to back, and nothing is unpacked to disk. Raises UserError where no member is
    a .txt, and `tarfile.ReadError` where the tar ends early or is damaged.
    """
    endings: dict[str, None] = {}
    for member, read in tar_members(stream):
        base = posixpath.basename(member.name)
        if base.startswith(".") or member.refusal:
            continue
        ending = posixpath.splitext(base)[1].lower()
        if ending == ".txt" or len(endings) < _ENDINGS_SHOWN:
            endings[ending] = None
        if ending == ".txt":
            text = read().decode("utf-8-sig", "surrogateescape").removesuffix("\n")
            yield from (Found(line, printable(member.name)) for line in text.split("\n"))
    if ".txt" not in endings:
        found = ", ".join(printable(ending) or "none" for ending in endings) or "the tar is empty"
        raise UserError(
            f"{name} holds no .txt member to read captions from (endings of its members: {found})."
        )
