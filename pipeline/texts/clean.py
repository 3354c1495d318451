"""What is kept of a caption, and why one is dropped.

A caption is kept as people wrote it: case, punctuation and spelling stay. Only white space is trimmed and its
inner runs become one space, and Unicode is brought to NFC, so that texts that no reader can tell apart are
equal.
"""

import re
import unicodedata
from enum import StrEnum

from pipeline.formats.names import is_name

# control characters that are no white space, halves of characters, and the mark that other programs leave in
# the place of bytes that are no UTF-8
_NOT_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffd]")
_NOT_UTF8 = re.compile(r"[\udc80-\udcff]")  # as `surrogateescape` leaves such bytes


class Reason(StrEnum):
    """Why a caption is dropped, as the summary words it."""

    EMPTY = "empty"
    TOO_LONG = "too long"
    NOT_TEXT = "not text"
    NOT_UTF8 = "not UTF-8 (if it is most of a file, save that as UTF-8)"
    NAME = "file names, URLs or ids"
    BROKEN = "broken records"
    OTHER_SPLIT = "in other splits"
    DUPLICATE = "duplicates"


def clean(text: str, max_characters: int) -> tuple[str, Reason | None]:
    """The cleaned text, and why it is to be dropped (None: it is kept)."""
    if _NOT_UTF8.search(text):
        return text, Reason.NOT_UTF8
    if _NOT_TEXT.search(text):
        return text, Reason.NOT_TEXT
    cleaned = unicodedata.normalize("NFC", " ".join(text.split()))
    if not cleaned:
        return cleaned, Reason.EMPTY
    if len(cleaned) > max_characters:
        return cleaned, Reason.TOO_LONG
    if is_name(cleaned):
        return cleaned, Reason.NAME
    if not any(map(str.isalpha, cleaned)):
        return cleaned, Reason.NOT_TEXT
    return cleaned, None
