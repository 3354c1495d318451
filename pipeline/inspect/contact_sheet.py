"""Draw images with their captions as one page."""

from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw

from maccap.image.preprocessing import PixelSpec
from pipeline.inspect.drawing import (
    CARD,
    EMPTY,
    GREY,
    INK,
    MARGIN,
    PAGE,
    RED,
    font,
    line_height,
    wrapped,
)
from pipeline.inspect.examples import Example
from pipeline.stages.decoding.decode_image import UndecodableError, decode_image

_GAP, _PADDING = 16, 12
_CAPTION, _REFERENCE = 16, 13
_COLUMNS, _TILE = 5, 224

_Line = tuple[str, int, tuple[int, int, int]]


def draw_contact_sheet(examples: Sequence[Example], images: Mapping[str, bytes]) -> Image.Image:
    """A card for each example, five in a row: its image (`images` holds bytes by image id), its caption,
    and in grey the reference. An error stands in place of both.
    """
    texts = [_lines(example) for example in examples]
    columns = max(1, min(_COLUMNS, len(examples)))
    rows = [range(start, min(start + columns, len(examples))) for start in range(0, len(examples), columns)]
    heights = [_TILE + 2 * _PADDING + max(_height(texts[i]) for i in row) for row in rows]
    size = (
        2 * MARGIN + columns * (_TILE + _GAP) - _GAP,
        2 * MARGIN + sum(heights) + _GAP * max(0, len(rows) - 1),
    )
    sheet = Image.new("RGB", size, PAGE)
    draw = ImageDraw.Draw(sheet)
    top = MARGIN
    for row, height in zip(rows, heights, strict=True):
        for column, index in enumerate(row):
            left = MARGIN + column * (_TILE + _GAP)
            draw.rectangle((left, top, left + _TILE - 1, top + height - 1), fill=CARD)
            sheet.paste(_picture(examples[index], images), (left, top))
            y = top + _TILE + _PADDING
            for text, points, colour in texts[index]:
                draw.text((left + _PADDING, y), text, font=font(points), fill=colour)
                y += line_height(points)
        top += height + _GAP
    return sheet


def _picture(example: Example, images: Mapping[str, bytes]) -> Image.Image:
    """The whole image, upright, on its card; a grey tile where there is none to show."""
    data = images.get(example.image_id)
    if data is not None and example.error is None:
        try:
            spec = PixelSpec(_TILE, resize_mode="longest", fill_color=CARD[0])
            return Image.fromarray(decode_image(data, spec).pixels)
        except UndecodableError:
            pass
    empty = Image.new("RGB", (_TILE, _TILE), EMPTY)
    message = example.error or "the image is no longer at its source"
    lines = wrapped(message, _REFERENCE, _TILE - 2 * _PADDING)
    draw = ImageDraw.Draw(empty)
    y = (_TILE - len(lines) * line_height(_REFERENCE)) // 2
    for line in lines:
        draw.text((_PADDING, y), line, font=font(_REFERENCE), fill=RED if example.error else GREY)
        y += line_height(_REFERENCE)
    return empty


def _lines(example: Example) -> list[_Line]:
    """What stands under an image: text, size, colour. An example with an error has only its id there."""
    parts = [(example.caption or example.image_id, _CAPTION, INK if example.caption else GREY)]
    if example.reference:
        parts.append((example.reference, _REFERENCE, GREY))
    return [
        (line, points, colour)
        for text, points, colour in parts
        for line in wrapped(text, points, _TILE - 2 * _PADDING)
    ]


def _height(lines: Sequence[_Line]) -> int:
    return sum(line_height(points) for _, points, _ in lines)
