"""Small image files of every format whose header promises far more pixels than anybody wants."""

import importlib.util
import io
import re
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from tests.images import encoded, picture, png_header

EDGE = 65_535


def lying_headers() -> Iterator[tuple[str, bytes]]:
    """Name and file; formats of optional packages where these are installed."""
    image = picture(0, 64, 64)
    yield "png", png_header(EDGE, EDGE)
    yield (
        "jpeg",
        _patched(encoded(image, "JPEG"), rb"\xff\xc0\x00\x11\x08(.{4})", struct.pack(">HH", EDGE, EDGE)),
    )
    yield "gif", gif_of(EDGE, EDGE, EDGE, EDGE)
    yield "gif of a large frame", gif_of(4, 4, EDGE, EDGE)
    yield "bmp", _patched(encoded(image, "BMP"), rb"\x28\0\0\0(.{8})", struct.pack("<II", EDGE, EDGE))
    yield "dib", _patched(encoded(image, "DIB"), rb"\x28\0\0\0(.{8})", struct.pack("<II", EDGE, EDGE))
    yield "tga", _replaced(encoded(image, "TGA"), 12, struct.pack("<HH", EDGE, EDGE))
    yield "ppm", b"P6 65535 65535 255\n" + b"\0" * 100
    yield "deep ppm", b"P6 65535 65535 65535\n" + b"\0" * 100
    yield "pbm", b"P4 65535 65535\n" + b"\0" * 100
    yield "pfm", b"Pf\n65535 65535\n-1.0\n" + b"\0" * 100
    yield "tiff", _tiff(EDGE, EDGE)
    yield "webp", _replaced(_extended_webp(image), 24, b"\xff\xff\0\xff\xff\0")
    yield "webp, lossless", _replaced(encoded(image, "WEBP", lossless=True), 21, b"\xff\xff\xff\x0f")
    yield "jpeg 2000", _jpeg_2000(image)
    yield "ico", _icon(png_header(EDGE, EDGE))
    yield "avif", _in_boxes(encoded(image, "AVIF"))
    if importlib.util.find_spec("pillow_heif"):
        importlib.import_module("pillow_heif.HeifImagePlugin")
        yield "heic", _in_boxes(encoded(image, "HEIF"))
    yield "jpeg xl", b"\xff\x0a" + _bits((0, 1), (3, 2), (EDGE - 1, 30), (1, 3)) + b"\0" * 100


def gif_of(width: int, height: int, frame_width: int, frame_height: int) -> bytes:
    """Two colours, one frame, which the decoder is told to clear afterwards."""
    canvas = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF0, 0, 0) + bytes(6)
    control = b"!\xf9\x04" + bytes([2 << 2, 0, 0, 0]) + b"\0"
    frame = b"," + struct.pack("<HHHHB", 0, 0, frame_width, frame_height, 0)
    return canvas + control + frame + b"\x02\x02L\x01\0;"


def small_outside() -> Iterator[tuple[str, bytes]]:
    """Files whose header is modest, and what it holds is not."""
    huge = io.BytesIO()
    Image.new("1", (40_000, 40_000)).save(huge, "PNG")
    yield "ico", _icon(huge.getvalue())
    image = picture(0, 64, 64)
    yield "tiff of huge tiles", _tiff(64, 64, {322: 60_000, 323: 60_000})
    yield "avif", _in_boxes(encoded(Image.new("RGB", (9000, 9000)), "AVIF", speed=10), 16)
    yield "jpeg 2000 of a huge tile", _jpeg_2000(image, tile_alone=True)


def _patched(data: bytes, pattern: bytes, value: bytes) -> bytes:
    match = re.search(pattern, data, re.DOTALL)
    assert match is not None
    return _replaced(data, match.start(1), value)


def _replaced(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def _extended_webp(image: Image.Image) -> bytes:
    return encoded(image, "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")


def _in_boxes(data: bytes, edge: int = EDGE) -> bytes:
    """Every `ispe` of it, an image's width and height."""
    return re.sub(rb"ispe\0{4}.{8}", b"ispe\0\0\0\0" + struct.pack(">II", edge, edge), data, flags=re.DOTALL)


def _jpeg_2000(image: Image.Image, tile_alone: bool = False) -> bytes:
    data = encoded(image, "JPEG2000", no_jp2=True)
    at = data.index(b"\xff\x51") + 6  # Xsiz, Ysiz, their offsets, XTsiz, YTsiz
    if not tile_alone:
        data = _replaced(data, at, struct.pack(">II", EDGE, EDGE))
    return _replaced(data, at + 16, struct.pack(">II", EDGE, EDGE))


def _icon(content: bytes) -> bytes:
    return (
        struct.pack("<HHH", 0, 1, 1)
        + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(content), 22)
        + content
    )


def _tiff(width: int, height: int, fields: dict[int, int] | None = None) -> bytes:
    packed = zlib.compress(bytes(1000))
    packed += b"\0" * (len(packed) % 2)
    tags = {256: width, 257: height, 258: 8, 259: 8, 262: 1, 277: 1, **(fields or {})}
    where, length = (324, 325) if 322 in tags else (273, 279)  # tiles or strips
    tags = {where: 8, length: len(packed), **tags}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return (
        b"II*\0"
        + struct.pack("<I", 8 + len(packed))
        + packed
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )


def _bits(*fields: tuple[int, int]) -> bytes:
    """Values and their bits, the lowest first."""
    packed = at = 0
    for value, count in fields:
        packed |= value << at
        at += count
    return packed.to_bytes((at + 7) // 8, "little")
