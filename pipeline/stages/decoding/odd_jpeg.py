"""JPEGs that Pillow does not decode: 12-bit ones of medicine and remote sensing, and lossless ones."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

_BARE = {0x01, *range(0xD0, 0xD9)}  # markers without a segment
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_EXIF = b"Exif\0\0"
_SCAN = 0xDA
_SCAN_START, _END = b"\xff\xda", b"\xff\xd9"


@dataclass(frozen=True)
class OddJpeg:
    """`kind`: `12-bit` or `lossless`; decoded with imagecodecs."""

    kind: str
    size: tuple[int, int]
    bits: int
    data: bytes
    exif: bytes | None

    def load(self, accept_truncated: bool) -> Image.Image:
        """In 8 bits. Raises imagecodecs' errors for damaged pixels, ValueError where some are missing."""
        import imagecodecs

        if not accept_truncated and self.data.rfind(_END) < self.data.rfind(_SCAN_START):
            raise ValueError("image file is truncated")
        values = np.asarray(imagecodecs.jpeg_decode(self.data))
        if values.shape[:2] != self.size[::-1]:
            raise ValueError(
                f"it holds {values.shape[1]} x {values.shape[0]} pixels, not what its header says"
            )
        if values.ndim == 3 and values.shape[2] != 3:
            raise NotImplementedError(f"{self.kind} JPEG of {values.shape[2]} colours")
        if values.dtype != np.uint8:
            values = (values >> (self.bits - 8)).astype(np.uint8)
        image = Image.fromarray(values)
        if self.exif is not None:
            image.info["exif"] = self.exif
        return image


def odd_jpeg(data: bytes) -> OddJpeg | None:
    """None for a JPEG of another kind, and for one whose header cannot be followed."""
    at, exif = 2, None
    while (at := data.find(b"\xff", at)) >= 0 and at + 9 < len(data):
        marker = data[at + 1]
        if marker in (0, 0xFF) or marker in _BARE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == _SCAN:
            return None
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAMES:
            bits, lossless = data[at + 4], marker in _LOSSLESS
            if bits == 8 and not lossless:
                return None
            height, width = (
                int.from_bytes(data[at + 5 : at + 7], "big"),
                int.from_bytes(data[at + 7 : at + 9], "big"),
            )
            return OddJpeg("lossless" if lossless else f"{bits}-bit", (width, height), bits, data, exif)
        if marker == 0xE1 and data.startswith(_EXIF, at + 4):
            exif = data[at + 4 : end]
        at = max(end, at + 2)
    return None
