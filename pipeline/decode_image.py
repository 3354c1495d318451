"""From one image file's bytes to the pixels CLIP sees, with Pillow alone.

What a file shows is `maccap.as_seen`'s to say. Here are the limits of what is let in, and whatever cannot be
decoded gets a short reason.
"""

import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from maccap.as_seen import as_seen, lies_on_its_side
from maccap.pixels import PixelSpec, resize_and_crop

Image.MAX_IMAGE_PIXELS = None  # Pillow's own check, which `max_pixels` takes the place of

MAX_PIXELS = 178_956_970  # twice Pillow's own warning level: half a gigabyte of RGB

# Pillow also opens formats that run other programs or hold no pixels; these are all that sources let in
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM")

# how much longer than CLIP's pixels the edges of a JPEG stay that is decoded at a part of its size
_SPARE = 2
_OUT_OF_MEMORY = "decoder error -9"  # what Pillow says where one of its decoders gets none


class UndecodableError(ValueError):
    """Why an image cannot be captioned, in words for the `error` column."""


@dataclass(frozen=True)
class DecodeLimits:
    """What one image may take. `seconds` are of the CPU, so that a busy machine refuses no more than an idle
    one; `decode_image` alone cannot keep to them, `IsolatedDecoder` does. With `accept_truncated`, an image
    that was cut short is decoded as far as it goes. `reduce_jpegs` decodes a JPEG at 1/2, 1/4 or 1/8 of its
    size where that leaves both edges at least twice as long as CLIP's pixels; much faster for photographs,
    whose pixels then differ a little.
    """

    max_pixels: int = MAX_PIXELS
    seconds: float = 10.0
    accept_truncated: bool = False
    reduce_jpegs: bool = False


@dataclass(frozen=True)
class DecodedImage:
    """Pixels [S, S, 3], and the size of the upright original."""

    pixels: NDArray[np.uint8]
    width: int
    height: int


def decode_image(data: bytes, spec: PixelSpec, limits: DecodeLimits = DecodeLimits()) -> DecodedImage:
    """Decode one image. The pixel count is checked on the header, before any pixel is. Raises
    UndecodableError.
    """
    if not data:
        raise UndecodableError("the file is empty (0 bytes)")
    ImageFile.LOAD_TRUNCATED_IMAGES = limits.accept_truncated  # Pillow has this for the whole process alone
    try:
        with warnings.catch_warnings(action="ignore"):
            return _decode(data, spec, limits)
    except UndecodableError:
        raise
    except UnidentifiedImageError:
        raise UndecodableError(f"not an image of a known format (it starts with {data[:8]!r})") from None
    except Exception as error:  # Pillow's decoders raise almost anything on damaged files
        if isinstance(error, MemoryError) or str(error) == _OUT_OF_MEMORY:
            raise UndecodableError("not enough memory to decode it") from None
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UndecodableError(f"damaged image: {reason}") from error


def _decode(data: bytes, spec: PixelSpec, limits: DecodeLimits) -> DecodedImage:
    with Image.open(BytesIO(data), formats=_FORMATS) as image:
        width, height = image.size
        if width * height > limits.max_pixels:
            raise UndecodableError(
                f"{width} x {height} pixels are more than the limit of {limits.max_pixels} (max_pixels)"
            )
        _refuse_slivers(image, spec, limits.max_pixels)
        edge = _SPARE * spec.size
        reduced = limits.reduce_jpegs and image.draft(None, (edge, edge)) is not None
        upright = as_seen(image)
        if not reduced:
            width, height = upright.size
        elif lies_on_its_side(image):
            width, height = height, width
        return DecodedImage(resize_and_crop(upright, spec), width, height)


def _refuse_slivers(image: Image.Image, spec: PixelSpec, max_pixels: int) -> None:
    """A 60,000 x 1 image is small, but resized to its shorter edge it would take gigabytes."""
    short, long = sorted(image.size)
    if spec.resize_mode == "shortest" and spec.size * spec.size * long // short > max_pixels:
        raise UndecodableError(f"{image.width} x {image.height} pixels are too narrow to resize")
