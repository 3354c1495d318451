"""An image file's pixels as a person sees them: `preprocessing.py` says what CLIP makes of them.

Upright as the EXIF orientation says, the first frame of an animation, transparency on white, grey of more
than 8 bits scaled to 8 (Pillow's own conversion clips it to white), CMYK and Lab in sRGB. Opaque 8-bit
images, all but a few, keep exactly the pixels that open_clip's preprocessing works on. Whatever takes more
than a conversion is computed in bands of rows, so that a large image never exists as an array of float64.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from maccap.image.colour import in_srgb
from maccap.image.stored_pixels import stored_pixels
from maccap.image.tiff import GreyValues, grey_values

_BAND_PIXELS = 1 << 20
_UPRIGHT = 1
_LYING = (5, 6, 7, 8)  # EXIF orientations that exchange width and height


def as_seen(image: Image.Image, embedded_colours: bool = False) -> Image.Image:
    """`image` upright, opaque and in mode RGB, or L where it is grey; its values are not altered. With
    `embedded_colours`, colours are those of the profile that it carries (`maccap.image.colour`).

    Raises Pillow's errors for damaged pixels; damaged EXIF and profiles are ignored.
    """
    numbers = grey_values(image)
    image = _upright(stored_pixels(image))
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image, numbers)
    image = in_srgb(image, embedded_colours)
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
    try:
        if image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT) == _UPRIGHT:
            return image  # where `exif_transpose` would copy it
        return ImageOps.exif_transpose(image)
    except Exception:  # unreadable EXIF says nothing about the pixels
        return image


def _on_white(image: Image.Image) -> Image.Image:
    opaque = Image.new("RGB", image.size)
    for rows, band in _bands(image):
        rgba = (band.convert("LA") if band.mode == "La" else band).convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        opaque.paste(Image.alpha_composite(white, rgba).convert("RGB"), (0, rows.start))
    return opaque


def _to_8_bits(image: Image.Image, numbers: GreyValues) -> Image.Image:
    """Whole numbers of up to 16 bits from 0 to the largest of these, floats from 0 to 1; negative ones, other
    floats, and 32-bit images, whose range nothing tells, over what they hold.
    """
    low, high = _range(image, numbers)
    if image.mode.startswith("I;16") and low >= 0:
        low, high = 0, numbers.white
    elif image.mode == "F" and low >= 0 and high <= 1:
        low, high = 0, 1
    elif image.mode == "I" and low >= 0 and high <= 65535:
        low, high = 0, numbers.white if numbers.is_told(16) else 65535 if high > 255 else 255
    grey = np.empty((image.height, image.width), np.uint8)
    for rows, values in _number_bands(image, numbers):
        scaled = (values - low) * (255 / (high - low) if high > low else 0)
        grey[rows] = (255 - scaled if numbers.inverted else scaled).round().clip(0, 255)
    return Image.fromarray(grey)


def _range(image: Image.Image, numbers: GreyValues) -> tuple[float, float]:
    extremes = [(values.min(), values.max()) for _, values in _number_bands(image, numbers)]
    return min(low for low, _ in extremes), max(high for _, high in extremes)


def _number_bands(image: Image.Image, numbers: GreyValues) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    for rows, band in _bands(image):
        yield rows, np.nan_to_num(numbers.of(np.asarray(band)).astype(np.float64))


def _bands(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    height = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, height):
        bottom = min(top + height, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))
