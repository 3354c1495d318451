"""Small pictures of images that may be hostile: decoded apart from this process, as a run does."""

import io
from typing import NamedTuple

from PIL import Image

from maccap.image.preprocessing import PixelSpec
from pipeline.stages.decoding.decode_image import DecodedImage

SIDE = 360  # of the longer side, in pixels
WHOLE = PixelSpec(SIDE, resize_mode="longest", fill_color=255)
"""Decodes the whole image into the middle of a square."""


class View(NamedTuple):
    """What CLIP sees of an image, as fractions of its width and height; it may reach beyond."""

    left: float
    top: float
    width: float
    height: float


def to_webp(whole: DecodedImage) -> bytes:
    """An image decoded by WHOLE, without what fills the square, as WebP."""
    longer = max(whole.width, whole.height)
    width, height = (max(1, round(SIDE * side / longer)) for side in (whole.width, whole.height))
    left, top = (SIDE - width) // 2, (SIDE - height) // 2
    picture = Image.fromarray(whole.pixels).crop((left, top, left + width, top + height))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue()


def view_of(width: int, height: int, resize_mode: str) -> View:
    """Of an image of this size, by the rule of a `PixelSpec`."""
    if resize_mode == "squash":
        return View(0, 0, 1, 1)
    side = min(width, height) if resize_mode == "shortest" else max(width, height)
    return View(0.5 - side / width / 2, 0.5 - side / height / 2, side / width, side / height)
