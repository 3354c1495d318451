"""Text files: UTF-8 in lines, and .txt, with a caption a line."""

import io
from collections.abc import Iterator
from typing import Any, TextIO

from pipeline.errors import UserError
from pipeline.texts.found import Found

UTF16_MARKS = ("\udcff\udcfe", "\udcfe\udcff")  # as surrogateescape leaves them


def read_txt(stream: Any, name: str) -> Iterator[Found]:
    """A caption for every line, empty ones included. Raises UserError for UTF-16."""
    for number, line in enumerate(text_lines(stream, name), 1):
        yield Found(line, number)


def text_lines(stream: Any, name: str, newline: str = "\n") -> Iterator[str]:
    """The lines of a binary stream, line ends included. Raises UserError for UTF-16."""
    for number, line in enumerate(as_text(stream, newline)):
        if number == 0 and line.startswith(UTF16_MARKS):
            raise utf16(name)
        yield line


def as_text(stream: Any, newline: str = "\n") -> TextIO:
    """The stream as UTF-8, with or without a byte order mark; other bytes become lone surrogates."""
    return io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline=newline)


def utf16(name: str) -> UserError:
    """The error for a file that starts with a byte order mark of UTF-16."""
    return UserError(f"{name} is UTF-16 text. Save it as UTF-8.")
