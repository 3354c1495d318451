"""Small pictures of images that may be hostile: decoded apart from this process, as a run does."""

import io

from PIL import Image

from maccap.image.preprocessing import PixelSpec
from pipeline.stages.decoding.decode_image import DecodedImage

SIDE = 360  # of the longer side, in pixels
WHOLE = PixelSpec(SIDE, resize_mode="longest", fill_color=255)
"""Decodes the whole image into the middle of a square."""


def to_webp(whole: DecodedImage) -> bytes:
    """An image decoded by WHOLE, without what fills the square, as WebP."""
    longer = max(whole.width, whole.height)
    width, height = (max(1, round(SIDE * side / longer)) for side in (whole.width, whole.height))
    left, top = (SIDE - width) // 2, (SIDE - height) // 2
    picture = Image.fromarray(whole.pixels).crop((left, top, left + width, top + height))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue()
