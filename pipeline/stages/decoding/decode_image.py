"""From one image file's bytes to the pixels CLIP sees, with Pillow.

What a file shows is `maccap.image.as_seen`'s to say. Here are the limits of what is let in, and
whatever cannot be decoded gets a short reason: `damaged image`, `unsupported image`, or `not an image`.
"""

import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from maccap.image.as_seen import as_seen, lies_on_its_side
from maccap.image.preprocessing import PixelSpec, resize_and_crop
from pipeline.formats.image_format import HEAD_BYTES, image_format
from pipeline.stages.decoding.header_size import header_size
from pipeline.stages.decoding.no_image import describe_no_image
from pipeline.stages.decoding.open_image import PILLOW, UndecodableError, open_image
from pipeline.stages.decoding.without_metadata import without_metadata

__all__ = ["PILLOW", "Colour", "DecodeLimits", "DecodedImage", "UndecodableError", "decode_image"]

Image.MAX_IMAGE_PIXELS = None  # Pillow's own check, which `max_pixels` takes the place of

Colour = Literal["ignored", "embedded"]
"""What becomes of an image's colour profile, but for one of CMYK, which always counts."""

MAX_PIXELS = 178_956_970  # twice Pillow's own warning level: half a gigabyte of RGB

# how much longer than CLIP's pixels the edges of a JPEG stay that is decoded at a part of its size
_SPARE = 2
_OUT_OF_MEMORY = "decoder error -9"  # what Pillow says where one of its decoders gets none
_UNSUPPORTED = re.compile(
    r"unsupported|not supported|unknown|unrecogni[sz]ed|cannot handle|not implemented|not available",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class DecodeLimits:
    """What one image may take. `seconds` are of the CPU, so that a busy machine refuses no more than an idle
    one; `decode_image` alone cannot keep to them, `IsolatedDecoder` does. With `accept_truncated`, an image
    that was cut short is decoded as far as it goes. `reduce_jpegs` decodes a JPEG at 1/2, 1/4 or 1/8 of its
    size where that leaves both edges at least twice as long as CLIP's pixels; much faster for photographs,
    whose pixels then differ a little. `embedded_colours`: as the image's colour profile says.
    """

    max_pixels: int = MAX_PIXELS
    seconds: float = 10.0
    accept_truncated: bool = False
    reduce_jpegs: bool = False
    embedded_colours: bool = False


@dataclass(frozen=True)
class DecodedImage:
    """Pixels [S, S, 3], the size of the upright original, and the package that decoded it."""

    pixels: NDArray[np.uint8]
    width: int
    height: int
    decoder: str = PILLOW


def unbounded(pixels: int | None) -> None:
    """Memory as the process has it."""


def decode_image(
    data: bytes,
    spec: PixelSpec,
    limits: DecodeLimits = DecodeLimits(),
    bound_memory: Callable[[int | None], None] = unbounded,
) -> DecodedImage:
    """Decode one image. The pixel count is checked on the header, before any pixel is; `bound_memory` is told
    None before the header is read, and then the count. Raises UndecodableError.
    """
    if not data:
        raise UndecodableError("the file is empty (0 bytes)")
    kind = image_format(data[:HEAD_BYTES])
    if kind is None:
        raise UndecodableError(f"not an image of a known format: {describe_no_image(data)}")
    ImageFile.LOAD_TRUNCATED_IMAGES = limits.accept_truncated  # Pillow has this for the whole process alone
    decode = _Decoding(kind, spec, limits, bound_memory)
    try:
        with warnings.catch_warnings(action="ignore"):
            return decode(data)
    except UndecodableError:
        raise
    except Exception as error:  # Pillow's decoders raise almost anything on damaged files
        bare = without_metadata(data, kind)
        if bare is not None:
            with suppress(Exception), warnings.catch_warnings(action="ignore"):  # the first error is told
                return decode(bare)
        raise _refusal(error, kind, decode.size) from error


class _Decoding:
    """The steps from bytes to pixels; `size` is known once the header is read."""

    def __init__(
        self, kind: str, spec: PixelSpec, limits: DecodeLimits, bound_memory: Callable[[int | None], None]
    ) -> None:
        self.kind = kind
        self.spec = spec
        self.limits = limits
        self.bound_memory = bound_memory
        self.size: tuple[int, int] | None = None

    def __call__(self, data: bytes) -> DecodedImage:
        self.bound_memory(None)
        if size := header_size(data, self.kind):
            self._check(size)
        opened = open_image(data, self.kind, self.limits.accept_truncated)
        self._check(opened.size)
        self.size = width, height = opened.size
        self.bound_memory(width * height)
        reduced = self.limits.reduce_jpegs and opened.reduce(_SPARE * self.spec.size)
        image = opened.load()
        upright = as_seen(image, self.limits.embedded_colours)
        if not reduced:
            width, height = upright.size
        elif lies_on_its_side(image):
            width, height = height, width
        return DecodedImage(resize_and_crop(upright, self.spec), width, height, opened.decoder)

    def _check(self, size: tuple[int, int]) -> None:
        width, height = size
        most, edge = self.limits.max_pixels, self.spec.size
        if width * height > most:
            raise UndecodableError(
                f"{width} x {height} pixels are more than the limit of {most} (max_pixels)"
            )
        short, long = sorted(size)
        if short < 1:
            raise UndecodableError(f"damaged image: it is {width} x {height} pixels")
        # a 60,000 x 1 image is small, but resized to its shorter edge it would take gigabytes
        if self.spec.resize_mode == "shortest" and edge * edge * long // short > most:
            raise UndecodableError(f"{width} x {height} pixels are too narrow to resize")


def _refusal(error: Exception, kind: str, size: tuple[int, int] | None) -> UndecodableError:
    if isinstance(error, MemoryError) or str(error) == _OUT_OF_MEMORY:
        if size is None:
            return UndecodableError(f"damaged image: {kind} that asks for too much memory before its pixels")
        return UndecodableError("not enough memory to decode it")
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    if isinstance(error, NotImplementedError) or _UNSUPPORTED.search(reason):
        return UndecodableError(f"unsupported image: {kind}, {reason}")
    return UndecodableError(f"damaged image: {reason}")
