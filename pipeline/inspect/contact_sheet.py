"""Draw images with their captions as one page. Pillow's own font: nothing to install."""

import io
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice

from PIL import Image, ImageDraw, ImageFont

from maccap.image.preprocessing import PixelSpec
from pipeline.inspect.examples import Example
from pipeline.stages.decoding.decode_image import UndecodableError, decode_image
from pipeline.storage.redact import printable

_PAGE, _CARD, _EMPTY = (242, 241, 238), (255, 255, 255), (214, 214, 214)
_INK, _GREY, _RED = (28, 28, 30), (128, 128, 132), (168, 40, 32)
_MARGIN, _GAP, _PADDING = 24, 16, 12
_CAPTION, _REFERENCE = 16, 13
_LINES = 5
_COLOURS = 256

_Line = tuple[str, int, tuple[int, int, int]]


def draw_contact_sheet(
    examples: Sequence[Example], images: Mapping[str, bytes], columns: int = 5, tile: int = 224
) -> Image.Image:
    """A card for each example, `columns` a row: its image (`images` holds bytes by image id), its caption,
    and in grey the reference. An error stands in place of both.
    """
    texts = [_lines(example, tile) for example in examples]
    columns = max(1, min(columns, len(examples)))
    rows = [range(start, min(start + columns, len(examples))) for start in range(0, len(examples), columns)]
    heights = [tile + 2 * _PADDING + max(_height(texts[i]) for i in row) for row in rows]
    size = (
        2 * _MARGIN + columns * (tile + _GAP) - _GAP,
        2 * _MARGIN + sum(heights) + _GAP * max(0, len(rows) - 1),
    )
    sheet = Image.new("RGB", size, _PAGE)
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        for column, index in enumerate(row):
            left = _MARGIN + column * (tile + _GAP)
            draw.rectangle((left, top, left + tile - 1, top + height - 1), fill=_CARD)
            sheet.paste(_picture(examples[index], images, tile), (left, top))
            y = top + tile + _PADDING
            for text, points, colour in texts[index]:
                draw.text((left + _PADDING, y), text, font=_font(points), fill=colour)
                y += _line_height(points)
        top += height + _GAP
    return sheet


def to_png(sheet: Image.Image) -> bytes:
    """As PNG of 256 colours, a third of the size and hardly a difference to the eye."""
    buffer = io.BytesIO()
    sheet.quantize(_COLOURS, dither=Image.Dither.FLOYDSTEINBERG).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _picture(example: Example, images: Mapping[str, bytes], tile: int) -> Image.Image:
    """The whole image, upright, on its card; a grey tile where there is none to show."""
    data = images.get(example.image_id)
    if data is not None and example.error is None:
        try:
            spec = PixelSpec(tile, resize_mode="longest", fill_color=_CARD[0])
            return Image.fromarray(decode_image(data, spec).pixels)
        except UndecodableError:
            pass
    empty = Image.new("RGB", (tile, tile), _EMPTY)
    message = example.error or "the image is no longer at its source"
    lines = _wrapped(message, _REFERENCE, tile - 2 * _PADDING)
    draw = ImageDraw.Draw(empty)
    y = (tile - len(lines) * _line_height(_REFERENCE)) // 2
    for line in lines:
        draw.text((_PADDING, y), line, font=_font(_REFERENCE), fill=_RED if example.error else _GREY)
        y += _line_height(_REFERENCE)
    return empty


def _lines(example: Example, tile: int) -> list[_Line]:
    """What stands under an image: text, size, colour. An example with an error has only its id there."""
    parts = [(example.caption or example.image_id, _CAPTION, _INK if example.caption else _GREY)]
    if example.reference:
        parts.append((example.reference, _REFERENCE, _GREY))
    return [
        (line, points, colour)
        for text, points, colour in parts
        for line in _wrapped(text, points, tile - 2 * _PADDING)
    ]


def _wrapped(text: str, points: int, width: int) -> list[str]:
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
    return len(line) <= width and _font(points).getlength(line) <= width


def _height(lines: Sequence[_Line]) -> int:
    return sum(_line_height(points) for _, points, _ in lines)


def _line_height(points: int) -> int:
    return round(points * 1.4)


@cache
def _font(points: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=points)
