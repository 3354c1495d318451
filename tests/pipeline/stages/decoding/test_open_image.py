"""Also for netpbm.py and no_image.py: every format that is opened, by its content, and what is said where
its decoder is not there.
"""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from maccap.image.preprocessing import PixelSpec, resize_and_crop
from pipeline.stages.decoding.decode_image import UndecodableError, decode_image
from tests.images import encoded, picture

SPEC = PixelSpec(32)
EXACT = ("PNG", "GIF", "TIFF", "JPEG2000", "PPM", "BMP", "DIB", "TGA", "ICO")
CLOSE = ("JPEG", "MPO", "WEBP", "AVIF")


@pytest.mark.parametrize("kind", EXACT + CLOSE)
def test_every_format_of_pillow(kind: str) -> None:
    image = picture(3, 64, 64)
    decoded = decode_image(encoded(image, kind), SPEC)
    assert (decoded.width, decoded.height, decoded.decoder) == (64, 64, "Pillow")
    difference = np.abs(decoded.pixels.astype(int) - resize_and_crop(image, SPEC)).mean()
    assert difference < (0.01 if kind in EXACT else 6)


@pytest.mark.parametrize(("kind", "module"), [("HEIF", "pillow_heif"), ("JXL", "pillow_jxl")])
def test_formats_of_extras(kind: str, module: str) -> None:
    plugin = {"pillow_heif": "HeifImagePlugin", "pillow_jxl": "JpegXLImagePlugin"}[module]
    pytest.importorskip(f"{module}.{plugin}")
    image = picture(3, 64, 48)
    decoded = decode_image(encoded(image, kind, quality=95), SPEC)
    assert (decoded.width, decoded.height, decoded.decoder) == (64, 48, module)
    assert np.abs(decoded.pixels.astype(int) - resize_and_crop(image, SPEC)).mean() < 6


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\0\0\0\x18ftypheic" + bytes(100), "HEIC needs pillow_heif: pip install 'maccap[heic]'"),
        (b"\xff\x0a" + bytes(100), "JPEG XL needs pillow_jxl: pip install 'maccap[jxl]'"),
    ],
)
def test_a_format_without_its_extra_says_which(data: bytes, message: str) -> None:
    program = f"""
import sys
sys.modules["pillow_heif"] = sys.modules["pillow_jxl"] = None  # as if they were not installed
from maccap.image.preprocessing import PixelSpec
from pipeline.stages.decoding.decode_image import decode_image
decode_image({data!r}, PixelSpec(32))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stderr.splitlines()[-1].endswith(f"UndecodableError: {message}")


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_each_format_is_turned_exactly_once(kind: str, orientation: int) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif.HeifImagePlugin")
    stored = picture(5, 60, 40)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = decode_image(encoded(stored, kind, exif=exif.tobytes(), quality=95), SPEC)
    angle = {1: 0, 3: 180, 6: 270, 8: 90}[orientation]
    upright = stored.rotate(angle, expand=True)
    assert (turned.width, turned.height) == upright.size
    assert np.abs(turned.pixels.astype(int) - resize_and_crop(upright, SPEC)).mean() < 8


def test_a_jpeg_xl_is_turned_by_its_codestream_alone() -> None:
    pytest.importorskip("pillow_jxl.JpegXLImagePlugin")
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = picture(5, 60, 40)
    of_pixels = encoded(stored, "JXL", lossless=True, exif=exif.tobytes())
    assert decode_image(of_pixels, SPEC).width == 60  # its codestream says nothing of a turn
    codec = pytest.importorskip("imagecodecs")
    of_a_jpeg = codec.jpegxl_encode_jpeg(encoded(stored, "JPEG", exif=exif))
    assert decode_image(of_a_jpeg, SPEC).width == 40


def test_the_largest_picture_of_an_icon_is_seen() -> None:
    image = picture(3, 64, 64)
    data = encoded(image, "ICO", sizes=[(16, 16), (64, 64), (32, 32)])
    assert decode_image(data, SPEC).width == 64


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<!DOCTYPE html><html><body>404</body></html>", "not an image of a known format: HTML"),
        (b"\xef\xbb\xbf <?xml version='1.0'?>\n<svg/>", "not an image of a known format: SVG"),
        (b'{"error": "gone"}', "not an image of a known format: JSON"),
        (b"%PDF-1.4\n", "not an image of a known format: PDF"),
        (bytes(500), "not an image of a known format: nothing but zeros"),
        (b"\0\0\0\x18ftypmp42" + bytes(100), "not an image of a known format: an MP4 film"),
        (b"\xff\xd8\xff\xe0" + bytes(10), "damaged image: "),
    ],
)
def test_what_a_file_is_that_shows_nothing(data: bytes, message: str) -> None:
    with pytest.raises(UndecodableError, match=message):
        decode_image(data, SPEC)


def test_an_intact_file_of_an_unknown_kind_is_not_called_damaged() -> None:
    whole = bytearray(encoded(picture(0, 32, 32), "BMP"))
    whole[30] = 11  # a compression of printers, CMYK
    with pytest.raises(UndecodableError, match=r"unsupported image: BMP, Unsupported BMP compression \(11\)"):
        decode_image(bytes(whole), SPEC)
    tiff = io.BytesIO()
    Image.new("RGB", (8, 8)).save(tiff, "TIFF")
    odd = tiff.getvalue().replace(b"\x06\x01\x03\0\x01\0\0\0\x02", b"\x06\x01\x03\0\x01\0\0\0\x77")
    with pytest.raises(UndecodableError, match="unsupported image: TIFF"):
        decode_image(odd, SPEC)
