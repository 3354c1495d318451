"""An image file's pixels as a person sees them, with Pillow alone: `pixels.py` says what CLIP makes of them.

Upright as the EXIF orientation says, the first frame of an animation, transparency on white, 16-bit grey
scaled to 8 bits (Pillow's own conversion clips it to white). Opaque 8-bit images, all but a few, keep exactly
the pixels that open_clip's preprocessing works on. Whatever takes more than a conversion is computed in bands
of rows, so that a large image never exists as an array of float64, nor in four copies.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

_BAND_PIXELS = 1 << 20
_UPRIGHT = 1
_LYING = (5, 6, 7, 8)  # EXIF orientations that exchange width and height


def as_seen(image: Image.Image) -> Image.Image:
    """`image` upright, opaque and in mode RGB, or L where it is grey; `image` itself is not altered.

    Raises Pillow's errors for damaged pixels; damaged EXIF is ignored.
    """
    image = _upright(image)
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image)
    if image.has_transparency_data:
        return _on_white(image)
    return image if image.mode in ("RGB", "L") else image.convert("RGB")


def lies_on_its_side(image: Image.Image) -> bool:
    """Whether `as_seen` exchanges width and height of a JPEG."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in _LYING
    except Exception:  # unreadable EXIF says nothing about the pixels
        return False


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        if image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT) == _UPRIGHT:
            return image  # where `exif_transpose` would copy it
        return ImageOps.exif_transpose(image)
    except Exception:  # unreadable EXIF says nothing about the pixels
        return image


def _on_white(image: Image.Image) -> Image.Image:
    opaque = Image.new("RGB", image.size)
    for rows, band in _bands(image):
        rgba = band.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        opaque.paste(Image.alpha_composite(white, rgba).convert("RGB"), (0, rows.start))
    return opaque


def _to_8_bits(image: Image.Image) -> Image.Image:
    """16-bit grey over its whole range; 32-bit and float images, whose range nothing tells, over what they
    hold.
    """
    grey = np.empty((image.height, image.width), np.uint8)
    if image.mode.startswith("I;16"):
        for rows, values in _number_bands(image):
            grey[rows] = (values.astype(np.uint32) + 128) // 257  # rounds v / 257, which is never a half
        return Image.fromarray(grey)
    low, high = _range(image)
    for rows, values in _number_bands(image):
        scaled = _finite(values)
        if image.mode == "I" and 255 < high <= 65535:
            scaled /= 257
        elif image.mode == "F" or low < 0 or high > 255:
            scaled = (scaled - low) * (255 / (high - low) if high > low else 0)
        grey[rows] = scaled.round().clip(0, 255)
    return Image.fromarray(grey)


def _range(image: Image.Image) -> tuple[float, float]:
    bands = (_finite(band) for _, band in _number_bands(image))
    extremes = [(values.min(), values.max()) for values in bands]
    return min(low for low, _ in extremes), max(high for _, high in extremes)


def _finite(values: NDArray) -> NDArray[np.float64]:
    return np.nan_to_num(values.astype(np.float64))


def _number_bands(image: Image.Image) -> Iterator[tuple[slice, NDArray]]:
    return ((rows, np.asarray(band)) for rows, band in _bands(image))


def _bands(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    height = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, height):
        bottom = min(top + height, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))
