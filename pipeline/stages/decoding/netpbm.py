"""PPM and PGM of any depth but 8 bits, which Pillow decodes pixel by pixel in Python."""

import re

import numpy as np
from PIL import Image

_HEADER = re.compile(
    rb"P([56])((?:\s+|#[^\r\n]*[\r\n])+)(\d+)((?:\s+|#[^\r\n]*[\r\n])+)(\d+)((?:\s+|#[^\r\n]*[\r\n])+)(\d+)\s"
)
_HEADER_BYTES = 4096
_BAND = 1 << 20  # samples scaled at once


class Netpbm:
    """A binary PGM or PPM whose largest value is not 255: `size` by its header, the pixels by `load`."""

    def __init__(self, data: bytes, width: int, height: int, channels: int, largest: int, start: int) -> None:
        self.size = (width, height)
        self._samples = width * height * channels
        self._shape = (height, width, channels) if channels > 1 else (height, width)
        self._largest = largest
        self._stored = np.dtype(">u2" if largest > 255 else "u1")
        self._data, self._start = data, start

    def load(self, accept_truncated: bool) -> Image.Image:
        """In mode L or RGB, each value scaled to 255. Raises ValueError where pixels are missing."""
        held = (len(self._data) - self._start) // self._stored.itemsize
        if held < self._samples and not accept_truncated:
            raise ValueError("image file is truncated")
        stored = np.frombuffer(self._data, self._stored, min(held, self._samples), self._start)
        scaled = np.zeros(self._samples, np.uint8)
        for first in range(0, len(stored), _BAND):
            band = stored[first : first + _BAND].astype(np.uint32).clip(max=self._largest)
            scaled[first : first + _BAND] = (band * 255 + self._largest // 2) // self._largest
        return Image.fromarray(scaled.reshape(self._shape))


def deep_netpbm(data: bytes) -> Netpbm | None:
    """None for any other file, damaged ones included: Pillow has the words for these."""
    match = _HEADER.match(data[:_HEADER_BYTES])
    if match is None:
        return None
    width, height, largest = int(match[3]), int(match[5]), int(match[7])
    if not (width and height and 0 < largest < 65536) or largest == 255:
        return None
    return Netpbm(data, width, height, 3 if match[1] == b"6" else 1, largest, match.end())
