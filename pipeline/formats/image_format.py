"""Which format an image file has, by its first bytes: a name says only what somebody called it."""

import re
import struct

HEAD_BYTES = 64
"""So many of a file's first bytes tell its format."""

_FIXED = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # BigTIFF
    (b"MM\0+", "TIFF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51\0", "JPEG 2000"),
)
_BRANDS = (({b"avif", b"avis"}, "AVIF"), ({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}, "HEIC"))
_STILL = {b"mif1", b"msf1"}  # of either; what is compressed in it, the other brands say
_PNM = re.compile(rb"P[1-6fF][ \t\r\n]+(#|\d+[ \t\r\n]+(#|\d))")
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)


def image_format(head: bytes) -> str | None:
    """The format of a file that begins with `head` (`HEAD_BYTES` of it, or all), such as `JPEG` or `HEIC`;
    None where it is no image, or none of a format that is known.
    """
    for magic, name in _FIXED:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        return _in_boxes(head)
    if _PNM.match(head):
        return "PNM"
    if _is_bmp(head):
        return "BMP"
    if _is_icon(head):
        return "ICO" if head[2] == 1 else "CUR"
    if _is_dib(head):
        return "DIB"
    return "TGA" if _is_tga(head) else None


def _in_boxes(head: bytes) -> str | None:
    """By the brands of an ISO base media file, which may be a film too."""
    size = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))}
    for own, name in _BRANDS:
        if brands & own:
            return name
    return "HEIC" if brands & _STILL else None


def _is_bmp(head: bytes) -> bool:
    return head[:2] == b"BM" and len(head) >= 18 and struct.unpack_from("<I", head, 14)[0] in _BMP_HEADERS


def _is_icon(head: bytes) -> bool:
    if head[:4] not in (b"\0\0\1\0", b"\0\0\2\0") or len(head) < 22:
        return False
    count, reserved = int.from_bytes(head[4:6], "little"), head[9]
    size, offset = struct.unpack_from("<II", head, 14)
    return 0 < count < 1024 and reserved == 0 and size > 0 and offset >= 6 + 16 * count


def _is_dib(head: bytes) -> bool:
    """A BMP without its file header."""
    if len(head) < 40 or struct.unpack_from("<I", head)[0] not in (40, 52, 56, 108, 124):
        return False
    width, height, planes, bits, compression = struct.unpack_from("<iiHHI", head, 4)
    return width > 0 and height != 0 and planes == 1 and bits in (1, 4, 8, 16, 24, 32) and compression <= 6


def _is_tga(head: bytes) -> bool:
    """TGA begins with no signature: all fields of its header must make sense together."""
    if len(head) < 18:
        return False
    _, mapped, kind, first, length, entry, _, _, width, height, depth, flags = struct.unpack_from(
        "<BBBHHBHHHHBB", head
    )
    if kind in (1, 9):
        colours = mapped == 1 and length > 0 and entry in (15, 16, 24, 32) and depth == 8
    else:
        colours = mapped == 0 and (first, length, entry) == (0, 0, 0)
        colours = colours and depth in ({3: (8, 16), 11: (8, 16)}.get(kind, (15, 16, 24, 32)))
    return kind in (1, 2, 3, 9, 10, 11) and colours and width > 0 and height > 0 and flags & 0xC0 == 0
