"""TIFFs that Pillow does not read, or reads wrongly: samples of 16 bits or floats, each in a plane of its own
or with transparency, floats of 16 and 64 bits, BigTIFF of the other byte order.

They are read with tifffile, which needs imagecodecs for compressed ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

if TYPE_CHECKING:
    from tifffile import TiffPage

_BITS, _PLANAR, _FORMAT = 258, 284, 339  # tags: BitsPerSample, PlanarConfiguration, SampleFormat
_COMPRESSION = 259
_OTHER_CODECS = (50001, 50002, 52546, 34887, 34712)  # WebP, JPEG XL twice, LERC, JPEG 2000
_PHOTOMETRIC, _WHITE_IS_0 = 262, 0
_PLANES, _SIGNED = 2, 2
_ASSOCIATED = 1
_BAND_PIXELS = 1 << 20


@dataclass(frozen=True)
class OddTiff:
    """The first page of a file: `size` by its header, the pixels by `load`."""

    page: "TiffPage"

    @property
    def size(self) -> tuple[int, int]:
        return self.page.imagewidth, self.page.imagelength

    def load(self) -> Image.Image:
        """In mode L or RGB, transparency on white, its orientation as EXIF tells it. Raises tifffile's errors
        for damaged pixels, NotImplementedError for what shows neither grey nor red, green and blue.
        """
        page = self.page
        photometric = getattr(page.photometric, "name", str(page.photometric))
        colours = {"MINISBLACK": 1, "MINISWHITE": 1, "RGB": 3}.get(photometric)
        if colours is None or page.imagedepth != 1:
            raise NotImplementedError(f"{photometric} of {page.bitspersample} bits")
        values = page.asarray(maxworkers=1)
        if page.samplesperpixel == 1:
            values = values[..., None]
        elif page.planarconfig == _PLANES:
            values = np.moveaxis(values, 0, -1)
        shown = Image.fromarray(_to_8_bits(values, page, colours, photometric == "MINISWHITE"))
        if orientation := page.tags.get(int(ExifTags.Base.Orientation)):
            shown.getexif()[ExifTags.Base.Orientation] = orientation.value
        return shown


def odd_tiff(data: bytes) -> OddTiff:
    """Read the header. Raises ImportError without tifffile, and its errors for what is no TIFF."""
    import tifffile

    return OddTiff(tifffile.TiffFile(BytesIO(data)).pages.first)


def is_odd(image: Image.Image) -> bool:
    """Whether Pillow opens this TIFF and reads it wrongly, as it takes planes of 16 bits for planes of 8, or
    has no codec for it.
    """
    tags: Any = getattr(image, "tag_v2", None)
    if image.format != "TIFF":
        return False
    planes = tags.get(_PLANAR) == _PLANES and max(tags.get(_BITS, (8,))) > 8
    return planes or tags.get(_COMPRESSION) in _OTHER_CODECS


@dataclass(frozen=True)
class GreyValues:
    """What the numbers of a grey image of more than 8 bits are: Pillow's modes I;16 and I do not tell."""

    bits: int = 16
    signed: bool | None = None
    inverted: bool = False  # 0 is white

    @property
    def white(self) -> int:
        """The largest number."""
        return int((1 << (self.bits - bool(self.signed))) - 1)

    def is_told(self, bits: int) -> bool:
        """Whether the file says that its numbers are of so many bits, with a sign or without."""
        return self.signed is not None and self.bits == bits

    def of(self, band: NDArray[Any]) -> NDArray[Any]:
        """The numbers of some rows, as the file means them."""
        if self.signed is None or band.dtype.kind not in "iu":
            return band
        size = band.dtype.itemsize
        return band.astype(f"u{size}", copy=False).view(f"{'i' if self.signed else 'u'}{size}")


def grey_values(image: Image.Image) -> GreyValues:
    """By the tags of a TIFF; of other files by Pillow's mode."""
    tags: Any = getattr(image, "tag_v2", None)
    if image.format != "TIFF" or tags is None:
        return GreyValues()
    signed = tags.get(_FORMAT, (1,))[0] == _SIGNED
    return GreyValues(tags.get(_BITS, (16,))[0], signed, tags.get(_PHOTOMETRIC) == _WHITE_IS_0)


def _to_8_bits(values: NDArray[Any], page: "TiffPage", colours: int, inverted: bool) -> NDArray[np.uint8]:
    height, width = values.shape[:2]
    low, high = _range(values[..., :colours], page)
    shown = np.empty((height, width, colours), np.uint8)
    alpha = page.extrasamples[0] if page.extrasamples and values.shape[2] > colours else 0
    for rows in _rows(values):
        band = values[rows]
        colour = (np.nan_to_num(band[..., :colours].astype(np.float64)) - low) * (255 / (high - low))
        if inverted:
            colour = 255 - colour
        if alpha:
            opacity = band[..., colours : colours + 1].astype(np.float64) / _white(values.dtype, page)
            colour = (colour if alpha == _ASSOCIATED else colour * opacity) + 255 * (1 - opacity)
        shown[rows] = colour.round().clip(0, 255)
    return shown[..., 0] if colours == 1 else shown


def _rows(values: NDArray[Any]) -> Iterator[slice]:
    height, width = values.shape[:2]
    step = max(1, _BAND_PIXELS // max(1, width))
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


def _range(colours: NDArray[Any], page: "TiffPage") -> tuple[float, float]:
    """What black and white are: of whole numbers what their bits hold, of floats 0 and 1, and where they hold
    more, or whole numbers are negative, the least and the greatest of them.
    """
    white = _white(colours.dtype, page)
    bands = [np.nan_to_num(colours[rows].astype(np.float64)) for rows in _rows(colours)]
    least, greatest = min(band.min() for band in bands), max(band.max() for band in bands)
    if least < 0 or greatest > white:
        return float(least), float(greatest if greatest > least else least + 1)
    return 0.0, white


def _white(dtype: np.dtype[Any], page: "TiffPage") -> float:
    if dtype.kind == "f":
        return 1.0
    return float((1 << (page.bitspersample - (dtype.kind == "i"))) - 1)
