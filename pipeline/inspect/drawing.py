"""What all drawn pages share: colours, Pillow's own font (nothing to install), lines of text, PNG."""

import io
from bisect import bisect
from collections.abc import Iterator
from functools import cache
from itertools import islice

from PIL import Image, ImageFont

from pipeline.storage.redact import printable

PAGE, CARD, EMPTY = (242, 241, 238), (255, 255, 255), (214, 214, 214)
INK, GREY, RED = (28, 28, 30), (128, 128, 132), (168, 40, 32)
MARGIN = 24
_LINES = 5


def to_png(sheet: Image.Image) -> bytes:
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def wrapped(text: str, points: int, width: int) -> list[str]:
    """`text` in lines of at most `width` pixels; words too long for one are cut, and so is a sixth line."""
    # what six lines can hold: no longer text is measured
    shown = printable(" ".join(text.split())[: (_LINES + 1) * (width + 1)])
    lines = list(islice(_line_by_line(shown, points, width), _LINES + 1))
    return lines if len(lines) <= _LINES else [*lines[: _LINES - 1], lines[_LINES - 1][:-1] + "\u2026"]


def _line_by_line(text: str, points: int, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        joined = f"{line} {word}".strip()
        if _fits(joined, points, width):
            line = joined
            continue
        if line:
            yield line
        line = word
        while not _fits(line, points, width):
            longest = range(2, min(len(line), width + 1))
            end = 1 + bisect(longest, False, key=lambda length: not _fits(line[:length], points, width))
            yield line[:end]
            line = line[end:]
    if line:
        yield line


def _fits(line: str, points: int, width: int) -> bool:
    """Characters may have no width, or none of their own: a line has at most one for each pixel."""
    return len(line) <= width and font(points).getlength(line) <= width


def line_height(points: int) -> int:
    return round(points * 1.4)


@cache
def font(points: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=points)
