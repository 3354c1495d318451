"""Real images and tars for tests, the odd ones of the wild included."""

import io
import json
import struct
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int = 0, width: int = 48, height: int = 40) -> Image.Image:
    """A few coloured blocks, different for every seed."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to no data."""

    def block(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = block(b"IDAT", zlib.compress(b"\0" * 64))
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + pixels + block(b"IEND", b"")


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_shard(path: Path, samples: int, first_seed: int = 0) -> Path:
    """A tar of `samples` pictures with metadata."""
    members = []
    for number in range(samples):
        members.append((f"{number:05d}.jpg", encoded(picture(first_seed + number))))
        members.append((f"{number:05d}.json", json.dumps({"number": number}).encode()))
    return write_tar(path, members)


def hostile_files() -> dict[str, bytes]:
    """File names and contents: the first group can be captioned, the second cannot."""
    photo = picture(1)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees to see it upright
    grey16 = Image.fromarray(np.linspace(0, 65535, 40 * 48, dtype=np.uint16).reshape(40, 48))
    return {
        "cmyk.jpg": encoded(photo.convert("CMYK")),
        "grey16.png": encoded(grey16, "PNG"),
        "rgba.png": encoded(photo.convert("RGBA"), "PNG"),
        "palette.gif": encoded(photo.convert("P"), "GIF"),
        "turned.jpg": encoded(photo, exif=exif),
        "naïve 猫 🐈.webp": encoded(photo, "WEBP"),
        "UPPER.TIFF": encoded(photo, "TIFF"),
        "plain.bmp": encoded(photo, "BMP"),
        "plain.ppm": encoded(photo, "PPM"),
        **BAD_FILES,
    }


BAD_FILES = {
    "bad-text.jpg": b"I am a text file, whatever my name says.\n",
    "bad-empty.jpg": b"",
    "bad-huge.png": png_header(30_000, 30_000),
    "bad-cut.jpg": encoded(picture(2, 200, 200), quality=95)[:1500],
    "bad-sliver.png": encoded(Image.new("L", (400_000, 1)), "PNG"),
}
