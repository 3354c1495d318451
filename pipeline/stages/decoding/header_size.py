"""The size of an image by its header, for formats whose decoders make room for pixels as they open a file.

GIF's decoder does so for the first frame, WebP's for the whole canvas, and JPEG XL's decodes at once; the
others read a header and wait.
"""

import struct
from collections.abc import Callable, Iterator

_JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # ISO/IEC 18181-1, SizeHeader


def header_size(data: bytes, image_format: str) -> tuple[int, int] | None:
    """Width and height that the file's header gives; None for other formats, and where it is damaged: its
    decoder says how.
    """
    read = _READERS.get(image_format)
    try:
        return read(data) if read else None
    except (struct.error, IndexError, ValueError):
        return None


def _gif(data: bytes) -> tuple[int, int]:
    """The canvas, or what the first frame makes of it where that is larger."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + _colours(flags)
    while data[at] == 0x21:  # extensions
        at += 2
        while data[at]:
            at += 1 + data[at]
        at += 1
    if data[at] == 0x2C:
        left, top, frame_width, frame_height = struct.unpack_from("<HHHH", data, at + 1)
        width, height = max(width, left + frame_width), max(height, top + frame_height)
    return width, height


def _colours(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        sizes = int.from_bytes(data[24:30], "little")
        return (sizes & 0xFFFFFF) + 1, (sizes >> 24) + 1
    if kind == b"VP8L":
        sizes = int.from_bytes(data[21:25], "little")
        return (sizes & 0x3FFF) + 1, (sizes >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_xl(data: bytes) -> tuple[int, int]:
    bits = _Bits(next(_jxl_codestream(data))[2:32])
    small = bits.take(1)
    height = (bits.take(5) + 1) * 8 if small else bits.long()
    ratio = bits.take(3)
    if ratio:
        across, down = _JXL_RATIOS[ratio - 1]
        return height * across // down, height
    return (bits.take(5) + 1) * 8 if small else bits.long(), height


class _Bits:
    """Bits as JPEG XL packs them, the lowest first."""

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self._bits & ((1 << count) - 1)
        self._bits >>= count
        return value

    def long(self) -> int:
        return self.take((9, 13, 18, 30)[self.take(2)]) + 1


def _jxl_codestream(data: bytes) -> Iterator[bytes]:
    """The codestream's beginning, which may stand in a box of its own."""
    if data.startswith(b"\xff\x0a"):
        yield data
        return
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        head = 16 if size == 1 else 8
        if name == b"jxlc":
            yield data[at + head : at + head + 64]
        elif name == b"jxlp":
            yield data[at + head + 4 : at + head + 68]
        size = struct.unpack_from(">Q", data, at + 8)[0] if size == 1 else size
        if size < head:
            break
        at += size
    raise ValueError("no codestream")


_READERS: dict[str, Callable[[bytes], tuple[int, int] | None]] = {
    "GIF": _gif,
    "WebP": _webp,
    "JPEG XL": _jpeg_xl,
}
