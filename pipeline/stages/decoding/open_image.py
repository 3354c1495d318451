"""From a file's bytes to an image whose header is read: its content says which decoder it needs.

Each format has its decoder in Pillow, or in a package that Pillow is given. Pillow also opens formats that
run other programs, or hold no pixels: what is not in the table is not opened.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageFile

from maccap.image.tiff import is_odd, odd_tiff
from pipeline.stages.decoding.netpbm import deep_netpbm
from pipeline.stages.decoding.odd_jpeg import odd_jpeg

PILLOW = "Pillow"


class UndecodableError(ValueError):
    """Why an image cannot be captioned, in words for the `error` column."""


@dataclass(frozen=True)
class Opened:
    """`load` decodes the pixels, with Pillow's metadata beside them; `file` is there where Pillow does it."""

    size: tuple[int, int]
    decoder: str
    load: Callable[[], Image.Image]
    file: ImageFile.ImageFile | None = None

    def reduce(self, edge: int) -> bool:
        """Have a JPEG decoded at a part of its size, with edges at least that long."""
        return (
            self.file is not None
            and self.file.format in ("JPEG", "MPO")
            and self.file.draft(None, (edge, edge)) is not None
        )


@dataclass(frozen=True)
class _Decoder:
    """The name of a format among Pillow's, the module that brings it, and the extra that brings that."""

    name: str
    module: str
    extra: str | None = None

    @property
    def package(self) -> str:
        return PILLOW if self.extra is None else self.module.partition(".")[0]


_DECODERS = {
    "JPEG": _Decoder("JPEG", "PIL.JpegImagePlugin"),
    "PNG": _Decoder("PNG", "PIL.PngImagePlugin"),
    "GIF": _Decoder("GIF", "PIL.GifImagePlugin"),
    "TIFF": _Decoder("TIFF", "PIL.TiffImagePlugin"),
    "WebP": _Decoder("WEBP", "PIL.WebPImagePlugin"),
    "AVIF": _Decoder("AVIF", "PIL.AvifImagePlugin"),
    "HEIC": _Decoder("HEIF", "pillow_heif.HeifImagePlugin", "heic"),
    "JPEG XL": _Decoder("JXL", "pillow_jxl.JpegXLImagePlugin", "jxl"),
    "JPEG 2000": _Decoder("JPEG2000", "PIL.Jpeg2KImagePlugin"),
    "PNM": _Decoder("PPM", "PIL.PpmImagePlugin"),
    "BMP": _Decoder("BMP", "PIL.BmpImagePlugin"),
    "DIB": _Decoder("DIB", "PIL.BmpImagePlugin"),
    "ICO": _Decoder("ICO", "PIL.IcoImagePlugin"),
    "CUR": _Decoder("CUR", "PIL.CurImagePlugin"),
    "TGA": _Decoder("TGA", "PIL.TgaImagePlugin"),
}


def open_image(data: bytes, image_format: str, accept_truncated: bool = False) -> Opened:
    """Read the header of an image of `image_format`, a name of `pipeline.formats.image_format`'s. Raises
    UndecodableError where the package that decodes it is not installed, and whatever that package raises.
    """
    if netpbm := deep_netpbm(data):
        return Opened(netpbm.size, PILLOW, lambda: netpbm.load(accept_truncated))
    if image_format == "JPEG" and (odd := odd_jpeg(data)):
        _need(f"{odd.kind} JPEG", "imagecodecs", "imagecodecs")
        return Opened(odd.size, "imagecodecs", lambda: odd.load(accept_truncated))
    decoder = _DECODERS[image_format]
    _need(image_format, decoder.module, decoder.extra)
    open_file, _ = Image.OPEN[decoder.name]
    try:
        file = open_file(BytesIO(data), "")
    except SyntaxError:
        if image_format == "TIFF" and (opened := _open_odd_tiff(data)):
            return opened
        raise
    if is_odd(file):
        _need("TIFF of 16-bit planes or of a rare compression", "tifffile", "imagecodecs")
        return _open_odd_tiff(data) or Opened(file.size, decoder.package, lambda: file, file)
    _one_orientation(file)
    return Opened(file.size, decoder.package, lambda: file, file)


def _open_odd_tiff(data: bytes) -> Opened | None:
    """None where it is of no kind that can be read."""
    try:
        odd = odd_tiff(data)
    except ImportError:
        raise UndecodableError(
            "TIFF of a kind that Pillow does not read needs tifffile: pip install 'maccap[imagecodecs]'"
        ) from None
    except Exception:  # its reasons are not Pillow's, and no better
        return None
    return Opened(odd.size, "tifffile", odd.load)


def _need(what: str, module: str, extra: str | None) -> None:
    """Import what decodes `what`. Raises UndecodableError with the extra that brings it."""
    try:
        importlib.import_module(module)
    except ImportError:
        if extra is None:
            raise UndecodableError(f"{what} needs a newer Pillow: pip install -U pillow") from None
        raise UndecodableError(
            f"{what} needs {module.partition('.')[0]}: pip install 'maccap[{extra}]'"
        ) from None


def _one_orientation(file: ImageFile.ImageFile) -> None:
    """JPEG XL is turned by its decoder, and may carry the camera's EXIF as well; but for what was a JPEG."""
    if file.format == "JXL" and not getattr(file, "jpeg", False):
        file.info.pop("exif", None)
