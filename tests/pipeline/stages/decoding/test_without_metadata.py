"""Damaged metadata never costs the pixels."""

import struct
import zlib

import numpy as np
import pytest

from maccap.image.preprocessing import PixelSpec
from pipeline.stages.decoding.decode_image import UndecodableError, decode_image
from pipeline.stages.decoding.without_metadata import without_metadata
from tests.images import encoded, picture

SPEC = PixelSpec(40)
PICTURE = picture(4, 60, 40)
PNG, JPEG = encoded(PICTURE, "PNG"), encoded(PICTURE, "JPEG")
LONG = b"a" * ((1 << 20) + 1)


def _chunk(name: bytes, data: bytes, crc: int | None = None) -> bytes:
    check = zlib.crc32(name + data) if crc is None else crc
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


def _segment(marker: int, data: bytes, length: int | None = None) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2 if length is None else length) + data


@pytest.mark.parametrize(
    "chunk",
    [
        _chunk(b"zTXt", b"parameters\0\0" + zlib.compress(LONG)),
        _chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(LONG)),
        _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + LONG),
        _chunk(b"iCCP", b"icc\0\0" + zlib.compress(LONG)),
        _chunk(b"iCCP", b"icc\0\0no zlib data"),
        _chunk(b"tEXt", b"workflow\0" + LONG * 65),
        _chunk(b"tEXt", b"Software\0x", crc=1),
        _chunk(b"zTXt", b"Comment\0\7abc"),
        _chunk(b"cHRM", bytes(4)),
        _chunk(b"gAMA", bytes(3)),
        _chunk(b"pHYs", bytes(5)),
        _chunk(b"eXIf", b"MM no TIFF", crc=7),
    ],
    ids=lambda chunk: f"{chunk[4:8].decode()} {len(chunk)}",
)
@pytest.mark.parametrize("behind_the_pixels", [False, True])
def test_chunks_of_a_png(chunk: bytes, behind_the_pixels: bool) -> None:
    at = len(PNG) - 12 if behind_the_pixels else 33
    damaged = PNG[:at] + chunk + PNG[at:]
    assert np.array_equal(decode_image(damaged, SPEC).pixels, decode_image(PNG, SPEC).pixels)


@pytest.mark.parametrize(
    "junk",
    [
        b"\0\0\0\0",
        b"some text between",
        b"\xff\xff\xff",
        _segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\x40"),
        _segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"),
        _segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff"),
        _segment(0xE2, b"ICC_PROFILE\0\1\1no profile"),
        _segment(0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\xff\xff\xff\xff"),
        _segment(0xEE, b"Adobe"),
        _segment(0xFE, b""),
        b"\xff\xfe\0\1",
        _segment(0xE0, b"JFIF\0\1\1"),
    ],
)
def test_segments_of_a_jpeg(junk: bytes) -> None:
    expected = decode_image(JPEG, SPEC).pixels
    for at in (2, 20) if junk.startswith(b"\xff") else (20,):
        assert np.array_equal(decode_image(JPEG[:at] + junk + JPEG[at:], SPEC).pixels, expected)


def test_what_pixels_need_is_never_dropped() -> None:
    transparent = encoded(
        PICTURE.convert("P"), "PNG", transparency=3, icc_profile=b"no profile", exif=b"II*\0"
    )
    bare = without_metadata(transparent[:33] + _chunk(b"tEXt", b"a\0b") + transparent[33:], "PNG")
    assert bare is not None
    assert all(name in bare for name in (b"PLTE", b"tRNS", b"iCCP", b"eXIf"))
    assert without_metadata(PNG, "PNG") is None
    cmyk = encoded(PICTURE.convert("CMYK"), "JPEG", comment=b"hello")
    bare = without_metadata(cmyk, "JPEG")
    assert bare is not None
    assert b"Adobe" in bare
    assert b"hello" not in bare


def test_damaged_pixels_stay_damaged() -> None:
    at = PNG.index(b"IDAT") + 20
    with pytest.raises(UndecodableError, match="damaged image"):
        decode_image(PNG[:at] + b"\xff" * 4 + PNG[at + 4 :], SPEC)
