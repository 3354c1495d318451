"""Formats by content, on what Pillow writes and on what only looks a little like an image."""

from io import BytesIO

import pytest
from PIL import Image

from pipeline.formats.image_format import HEAD_BYTES, image_format

WRITTEN = {
    "JPEG": "JPEG", "PNG": "PNG", "GIF": "GIF", "BMP": "BMP", "DIB": "DIB", "TIFF": "TIFF", "WEBP": "WebP",
    "AVIF": "AVIF", "JPEG2000": "JPEG 2000", "PPM": "PNM", "ICO": "ICO", "TGA": "TGA", "MPO": "JPEG",
}  # fmt: skip


@pytest.mark.parametrize(("pillow", "format"), WRITTEN.items())
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_what_pillow_writes(pillow: str, format: str, mode: str) -> None:
    file = BytesIO()
    Image.new(mode, (37, 23), 90).save(file, pillow)
    assert image_format(file.getvalue()[:HEAD_BYTES]) == format


@pytest.mark.parametrize(
    ("head", "format"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1miaf", "HEIC"),
        (b"\xff\x0a" + bytes(30), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"II+\0\x08\0\0\0", "TIFF"),
        (b"P7\nWIDTH 2", None),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp41mp42", None),
        (b"BMW is a make of car", None),
        (b"P5: the next point", None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
        (b"\x1f\x8b\x08\0\0\0\0\0", None),
        (b"\x93NUMPY\x01\0v\0{'descr': '<f4', 'fortran_order': False", None),
        (b"\x08\0\0\0\x10\0\0\0" + bytes(56), None),
        (bytes(64), None),
        (b"", None),
        (b"II", None),
    ],
)
def test_by_the_first_bytes(head: bytes, format: str | None) -> None:
    assert image_format(head) == format
