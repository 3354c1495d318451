"""An image file without what its pixels do not need: a damaged note or profile never costs the picture."""

import struct
import zlib
from collections.abc import Iterator

_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_PNG_NEAR_PIXELS = (b"eXIf", b"iCCP")
_LARGEST = 1 << 20  # bytes of a profile or of EXIF, unpacked

# markers of what stays, with how it starts and how long it is at least
_JPEG_NEAR_PIXELS = {
    0xE0: (b"JFIF\0", 14),
    0xE1: (b"Exif\0\0", 6),
    0xE2: (b"ICC_PROFILE\0", 14),
    0xEE: (b"Adobe", 12),
}
_JPEG_COMMENT, _JPEG_APPLICATIONS = 0xFE, range(0xE0, 0xF0)
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
_JPEG_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a segment


def without_metadata(data: bytes, image_format: str) -> bytes | None:
    """`data` with its pixels, size, colours, profile and orientation alone; None where that is all there is,
    and for other formats.
    """
    strip = {"PNG": _png, "JPEG": _jpeg}.get(image_format)
    bare = b"".join(strip(data)) if strip else data
    return bare if bare != data else None


def _png(data: bytes) -> Iterator[bytes]:
    """The profile and orientation stay where they are whole: a chunk's check sum tells."""
    yield _PNG_HEAD
    at = len(_PNG_HEAD)
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if name in _PNG_PIXELS or (name in _PNG_NEAR_PIXELS and _is_whole(name, data[at + 4 : end])):
            yield data[at:end]
        at = end


def _is_whole(name: bytes, chunk: bytes) -> bool:
    """Whether the check sum of `chunk`, from its name on, fits; and whether a profile unpacks."""
    body, check = chunk[:-4], chunk[-4:]
    if len(body) > _LARGEST or struct.pack(">I", zlib.crc32(body)) != check:
        return False
    if name != b"iCCP":
        return True
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(body[4:].partition(b"\0")[2][1:], _LARGEST)
    except zlib.error:
        return False
    return unpacking.eof


def _jpeg(data: bytes) -> Iterator[bytes]:
    """As libjpeg, and so every browser, finds its way: up to the next marker from where a segment ends."""
    yield b"\xff\xd8"
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in (0, 0xFF) or marker in _JPEG_BARE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (_JPEG_SCAN, _JPEG_END):
            yield data[at:]
            return
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _JPEG_NEAR_PIXELS:
            start, least = _JPEG_NEAR_PIXELS[marker]
            needed = data.startswith(start, at + 4) and end - at - 4 >= least
        else:
            needed = marker != _JPEG_COMMENT and marker not in _JPEG_APPLICATIONS
        if needed:
            yield data[at:end]
        at = max(end, at + 2)
