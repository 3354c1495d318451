"""UTF-8 text in lines, as all text formats are read."""

import io
from collections.abc import Iterator
from typing import Any, TextIO

from pipeline.storage.errors import UserError

UTF16_MARKS = ("\udcff\udcfe", "\udcfe\udcff")  # as surrogateescape leaves them


def text_lines(stream: Any, name: str) -> Iterator[str]:
    """The lines of a binary stream, line ends (of Unix, Windows or old Macs) included. Raises UserError for
    UTF-16.
    """
    for number, line in enumerate(as_text(stream)):
        if number == 0 and (line.startswith(UTF16_MARKS) or 2 * line.count("\0") > len(line) - 2 > 0):
            raise utf16(name)
        yield line


def as_text(stream: Any) -> TextIO:
    """The stream as UTF-8, with or without a byte order mark; other bytes become lone surrogates."""
    return io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="")


def utf16(name: str) -> UserError:
    """The error for a file that is UTF-16, as its byte order mark or its zeros tell."""
    return UserError(f"{name} is UTF-16 text. Save it as UTF-8.")
