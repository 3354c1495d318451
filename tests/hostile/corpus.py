"""Some 400 hostile or damaged image files, the same at every run: valid images of every format and mode, each
damaged in a dozen ways, and files made by hand.
"""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from tests.hostile.images import slow_jpeg, tiff, tiff_of_huge_tiles
from tests.images import encoded, picture, png_header


def corpus() -> dict[str, bytes]:
    """Names, which end as an image's does, and contents."""
    files = dict(made_by_hand())
    for kind, whole in valid_images().items():
        numbers = random.Random(kind)
        for name, damage in _DAMAGES.items():
            files[f"{kind.replace('.', f'-{name}.')}"] = damage(bytearray(whole), numbers)
    return files


def valid_images() -> dict[str, bytes]:
    photo = picture(1, 96, 80)
    turned = photo.rotate(90, expand=True).resize(photo.size)
    ramp = np.linspace(0, 65535, 80 * 96).reshape(80, 96)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a camera" * 20
    animated = {"save_all": True, "append_images": [turned, photo]}
    rgba = photo.convert("RGBA")
    rgba.putalpha(120)
    return {
        "rgb.jpg": encoded(photo, exif=exif, icc_profile=b"\0" * 3000),
        "progressive.jpg": encoded(photo, progressive=True),
        "grey.jpg": encoded(photo.convert("L")),
        "cmyk.jpeg": encoded(photo.convert("CMYK")),
        "rgb.png": encoded(photo, "PNG", exif=exif),
        "rgba.png": encoded(rgba, "PNG"),
        "palette.png": encoded(photo.convert("P"), "PNG", transparency=3),
        "bits.png": encoded(photo.convert("1"), "PNG"),
        "deep.png": encoded(Image.fromarray(ramp.astype(np.uint16)), "PNG"),
        "animated.png": encoded(photo, "PNG", **animated),
        "lossy.webp": encoded(photo, "WEBP", exif=exif),
        "lossless.webp": encoded(rgba, "WEBP", lossless=True),
        "animated.webp": encoded(photo, "WEBP", **animated),
        "still.gif": encoded(photo, "GIF"),
        "animated.gif": encoded(photo, "GIF", **animated),
        "rgb.bmp": encoded(photo, "BMP"),
        "palette.bmp": encoded(photo.convert("P"), "BMP"),
        "plain.tif": encoded(photo, "TIFF", exif=exif),
        "lzw.tif": encoded(photo, "TIFF", compression="tiff_lzw"),
        "jpeg.tif": encoded(photo, "TIFF", compression="jpeg"),
        "pages.tiff": encoded(photo, "TIFF", compression="tiff_adobe_deflate", **animated),
        "float.tiff": encoded(Image.fromarray(ramp.astype(np.float32)), "TIFF"),
        "rgb.ppm": encoded(photo, "PPM"),
        "grey.ppm": encoded(photo.convert("L"), "PPM"),
    }


def _flip(data: bytearray, numbers: random.Random, bits: int, within: float = 1.0) -> bytes:
    for _ in range(bits):
        data[numbers.randrange(max(1, int(len(data) * within)))] ^= 1 << numbers.randrange(8)
    return bytes(data)


def _overwrite(data: bytearray, numbers: random.Random, content: bytes) -> bytes:
    start = numbers.randrange(max(1, len(data) - len(content)))
    data[start : start + len(content)] = content
    return bytes(data)


def _without(data: bytearray, numbers: random.Random, count: int) -> bytes:
    start = numbers.randrange(max(1, len(data) - count))
    return bytes(data[:start] + data[start + count :])


_DAMAGES: dict[str, Callable[[bytearray, random.Random], bytes]] = {
    "bit": lambda data, numbers: _flip(data, numbers, 1),
    "bits": lambda data, numbers: _flip(data, numbers, 12),
    "header-bit": lambda data, numbers: _flip(data, numbers, 1, 0.03),
    "header-bits": lambda data, numbers: _flip(data, numbers, 4, 0.05),
    "noise": lambda data, numbers: _overwrite(data, numbers, numbers.randbytes(64)),
    "zeros": lambda data, numbers: _overwrite(data, numbers, b"\0" * 64),
    "ones": lambda data, numbers: _overwrite(data, numbers, b"\xff" * 32),
    "hole": lambda data, numbers: _without(data, numbers, 50),
    "byte-lost": lambda data, numbers: _without(data, numbers, 1),
    "cut-early": lambda data, numbers: bytes(data[: numbers.randrange(4, 64)]),
    "cut-half": lambda data, numbers: bytes(data[: len(data) // 2]),
    "cut-late": lambda data, numbers: bytes(data[:-9]),
    "splice": lambda data, numbers: bytes(data[: len(data) // 2]) + _other(numbers),
    "tail": lambda data, numbers: bytes(data) + _other(numbers),
    "twice": lambda data, numbers: bytes(data * 2),
}


def _other(numbers: random.Random) -> bytes:
    kind = numbers.choice(["JPEG", "PNG", "GIF", "BMP"])
    whole = encoded(picture(7, 90, 90), kind)
    return whole[numbers.randrange(len(whole)) :]


def made_by_hand() -> Iterator[tuple[str, bytes]]:
    photo = picture(1, 96, 80)
    jpeg, png, gif = encoded(photo), encoded(photo, "PNG"), encoded(photo, "GIF")
    bomb = zlib.compress(b"\0" * (100 << 20))
    for width, height in ((30_000, 30_000), (2**31 - 1, 1), (1, 2**31 - 1), (0, 0), (2**31 - 1, 2**31 - 1)):
        yield f"claims-{width}x{height}.png", png_header(width, height)
    for kind, chunk in {
        "zTXt": b"Comment\0\0" + bomb,
        "iTXt": b"Comment\0\1\0\0\0" + bomb,
        "iCCP": b"icc\0\0" + bomb,
        "eXIf": b"MM\0*" + b"\xff" * 60_000,
    }.items():
        yield f"{kind}.png", png[:33] + png_chunk(kind.encode(), chunk) + png[33:]
    yield "many-chunks.png", png[:33] + png_chunk(b"tEXt", b"a\0b") * 100_000 + png[33:]
    yield "idat-bomb.png", png_of_zeros(4000)
    yield "black-100-megapixels.png", png_of_zeros(10_000)
    yield "slow.jpg", slow_jpeg()
    yield "claims-65500.jpg", claims(jpeg, 65_500)
    for name, segment in {
        "exif-loop": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0",
        "exif-noise": b"Exif\0\0MM\0*" + bytes(range(256)) * 100,
        "exif-counts": b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\1\2\0\xff\xff\xff\x7f\x08\0\0\0" * 200,
    }.items():
        yield f"{name}.jpg", jpeg_segment(jpeg, 0xE1, segment)
    yield "icc-noise.jpg", jpeg_segment(jpeg, 0xE2, b"ICC_PROFILE\0\1\1" + b"\xff" * 5000)
    yield "icc-parts.jpg", jpeg_segment(jpeg, 0xE2, b"ICC_PROFILE\0\xff\xff" + b"\0" * 50)
    yield (
        "mpf.jpg",
        jpeg_segment(jpeg, 0xE2, b"MPF\0II*\0\x08\0\0\0\x01\0\x01\xb0\4\0\1\0\0\0\xff\xff\0\0\0\0\0\0"),
    )
    yield "screen.gif", gif[:6] + struct.pack("<HH", 65_535, 65_535) + gif[10:]
    frames = encoded(photo, "GIF", save_all=True, append_images=[photo.rotate(90)])
    last_frame = frames[frames.rindex(b"\x21\xf9\x04") : -1]
    yield "endless.gif", frames[:-1] + last_frame * 300
    yield "no-end.gif", gif[:-1] + b"\x21\xfe\xff" + b"x" * 100_000
    bmp = encoded(photo, "BMP")
    for width, height in ((2**31 - 1, 1), (1, -(2**31)), (-96, 80), (96, -80), (20_000, 20_000)):
        yield f"claims-{width}x{height}.bmp", bmp[:18] + struct.pack("<ii", width, height) + bmp[26:]
    yield "claims.ppm", b"P6 30000 30000 255\n" + b"\0" * 100
    yield "digits.ppm", b"P6 " + b"9" * 100_000 + b" 1 255\n"
    yield "comment.ppm", b"P6 #" + b"x" * 100_000
    yield "tiles.tif", tiff_of_huge_tiles()
    yield "strips.tif", tiff({278: 2**32 - 1}, b"\0" * 10_000)
    yield "bytes.tif", tiff({279: 2**32 - 1}, b"\0" * 10_000)
    yield "channels.tif", tiff({277: 65_535}, b"\0" * 10_000)
    yield "bits.tif", tiff({258: 64}, b"\0" * 10_000)
    yield "claims.tif", tiff({256: 2**31, 257: 2**31}, b"\0" * 10_000)
    yield "loop.tif", b"II*\0\x08\0\0\0\0\0\x08\0\0\0"
    yield "webp-claims.webp", webp_of_size(encoded(photo, "WEBP", lossless=True), 16_383)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "text")
    yield "zip-behind.jpg", jpeg + packed.getvalue()
    yield "script-behind.gif", gif + b"<script>alert(1)</script>"
    yield "page.jpg", b"<!DOCTYPE html><html><body>404 Not Found</body></html>"
    yield "vector.png", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    yield "document.jpg", b"%PDF-1.7\n" + b"x" * 1000
    yield "postscript.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    yield "zip.jpg", packed.getvalue()
    yield "empty.jpg", b""
    yield "one-byte.jpg", b"\xff"
    yield "zeros.jpg", b"\0" * 100_000
    yield "sliver.png", encoded(Image.new("L", (400_000, 1)), "PNG")


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_zeros(size: int) -> bytes:
    """A grey PNG of `size` x `size` in a thousandth of its pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(b"\0" * (size + 1) * size))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + png_chunk(b"IEND", b"")


def jpeg_segment(jpeg: bytes, marker: int, data: bytes) -> bytes:
    return jpeg[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data + jpeg[2:]


def claims(jpeg: bytes, size: int) -> bytes:
    """With another size in the frame header."""
    start = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:start] + struct.pack(">HH", size, size) + jpeg[start + 4 :]


def webp_of_size(webp: bytes, size: int) -> bytes:
    """A lossless WebP that claims another size: 14 bits each, behind the signature."""
    start = webp.index(b"VP8L") + 9
    return webp[:start] + struct.pack("<I", (size - 1) | (size - 1) << 14) + webp[start + 4 :]
