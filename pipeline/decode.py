"""From image bytes to the pixels CLIP sees, with Pillow alone: this stage's workers never load torch.

What a file shows is `maccap.as_seen`'s to say. Here are the limits of what is let in, and whatever cannot be
decoded becomes an error row with a short reason.
"""

import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from maccap.as_seen import as_seen, lies_on_its_side
from maccap.pixels import PixelSpec, resize_and_crop
from pipeline.chunk import spread, valid_rows
from pipeline.columns import pixels_column
from pipeline.sources.sample import describe

Image.MAX_IMAGE_PIXELS = None  # Pillow's own check, which `max_pixels` takes the place of

MAX_PIXELS = 178_956_970  # twice Pillow's own warning level: half a gigabyte of RGB

# Pillow also opens formats that run other programs or hold no pixels; these are all that sources let in
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM")


# how much longer than CLIP's pixels the edges of a JPEG stay that is decoded at a part of its size
_SPARE = 2


class UndecodableError(ValueError):
    """Why an image cannot be captioned, in words for the `error` column."""


@dataclass(frozen=True)
class DecodedImage:
    """Pixels [S, S, 3], and the size of the upright original."""

    pixels: NDArray[np.uint8]
    width: int
    height: int


def decode_image(
    data: bytes, spec: PixelSpec, max_pixels: int = MAX_PIXELS, *, reduce_jpegs: bool = False
) -> DecodedImage:
    """Decode one image. The pixel count is checked on the header, before any pixel is.

    `reduce_jpegs` decodes a JPEG at 1/2, 1/4 or 1/8 of its size where that leaves both edges twice as long as
    CLIP's pixels or longer; much faster for photographs, at pixels that differ a little. Raises
    UndecodableError.
    """
    if not data:
        raise UndecodableError("the file is empty (0 bytes)")
    try:
        with warnings.catch_warnings(action="ignore"):
            return _decode(data, spec, max_pixels, reduce_jpegs)
    except UndecodableError:
        raise
    except UnidentifiedImageError:
        raise UndecodableError(f"not an image of a known format (it starts with {data[:8]!r})") from None
    except MemoryError:
        raise UndecodableError("not enough memory to decode it") from None
    except Exception as error:  # Pillow's decoders raise almost anything on damaged files
        raise UndecodableError(f"damaged image: {describe(error)}") from error


def _decode(data: bytes, spec: PixelSpec, max_pixels: int, reduce_jpegs: bool) -> DecodedImage:
    with Image.open(BytesIO(data), formats=_FORMATS) as image:
        pixels = image.width * image.height
        if pixels > max_pixels:
            raise UndecodableError(
                f"{image.width} x {image.height} pixels are more than the limit of {max_pixels} (max_pixels)"
            )
        _refuse_slivers(image, spec, max_pixels)
        width, height = image.size
        reduced = reduce_jpegs and image.draft(None, (_SPARE * spec.size, _SPARE * spec.size)) is not None
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


class DecodeStage:
    """`image` out, `pixels`, `width` and `height` in. `spec` is what the bundle's CLIP expects."""

    def __init__(self, spec: PixelSpec, max_pixels: int = MAX_PIXELS, *, reduce_jpegs: bool = False) -> None:
        self.spec = spec
        self.max_pixels = max_pixels
        self.reduce_jpegs = reduce_jpegs

    def __call__(self, samples: pa.Table) -> pa.Table:
        total = samples.num_rows
        errors = samples["error"].to_pylist()
        pixels = np.zeros((total, self.spec.size, self.spec.size, 3), np.uint8)
        rows: list[int] = []
        sizes: list[tuple[int, int]] = []
        for row in valid_rows(samples):
            try:
                decoded = decode_image(
                    samples["image"][row].as_py(),
                    self.spec,
                    self.max_pixels,
                    reduce_jpegs=self.reduce_jpegs,
                )
            except UndecodableError as error:
                errors[row] = str(error)
                continue
            pixels[row] = decoded.pixels
            rows.append(row)
            sizes.append((decoded.width, decoded.height))
        widths, heights = (
            spread([w for w, _ in sizes], rows, total),
            spread([h for _, h in sizes], rows, total),
        )
        return (
            samples.drop_columns(["image", "error"])
            .append_column("error", pa.array(errors, pa.string()))
            .append_column("width", pa.array(widths, pa.int32()))
            .append_column("height", pa.array(heights, pa.int32()))
            .append_column("pixels", pixels_column(pixels))
        )
