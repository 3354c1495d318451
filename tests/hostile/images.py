"""Image files made to harm: each is small, opens as an image, and asks for far more than it holds."""

import io
import struct
import zlib

from PIL import Image


def slow_jpeg(scans: int = 2000, size: int = 4000) -> bytes:
    """A progressive JPEG whose last scan comes again and again: 10 ms of CPU for each 31 bytes."""
    buffer = io.BytesIO()
    Image.new("L", (size, size), 120).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last_scan * scans + data[-2:]


def tiff(fields: dict[int, int], pixels: bytes) -> bytes:
    """A grey TIFF with these tags (as 32-bit numbers) over those of a plain one; pixels are compressed."""
    packed = zlib.compress(pixels)
    packed += b"\0" * (len(packed) % 2)
    tags = {256: 100, 257: 100, 258: 8, 259: 8, 262: 1, 277: 1, **fields}
    where, length = (324, 325) if 322 in tags else (273, 279)  # tiles or strips
    tags = {where: 8, length: len(packed), **tags}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + directory


def tiff_of_huge_tiles() -> bytes:
    """100 x 100 pixels in a tile of 40,000 x 40,000, for which a decoder wants 1.6 GB."""
    return tiff({322: 40_000, 323: 40_000}, b"\0" * 100_000)
