"""Image files of the many ways in which formats store pixels, each of a few colours in large areas."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms

from tests.images import encoded, picture

WIDTH, HEIGHT = 60, 40
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # of PNG's colour types
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def odd_pixels() -> Iterator[tuple[str, bytes]]:
    """Name and file; the name ends in the format's extension."""
    yield from _pngs()
    yield from _gifs()
    yield from _jpegs()
    yield from _bmps()
    yield from _webps()
    yield from _others()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(rows: list[bytes], width: int, depth: int, colour: int, *extra: bytes) -> bytes:
    """A PNG of these rows of packed pixels, without filters."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + chunk(b"IEND", b"")


def _stripes(depth: int, channels: int) -> tuple[list[bytes], np.ndarray]:
    """Rows of packed pixels with the values 0 to the greatest, left to right, and the values of the first."""
    steps = np.linspace(0, (1 << min(depth, 8)) - 1, WIDTH).round().astype(np.int64) * (
        257 if depth == 16 else 1
    )
    values = np.stack([np.roll(steps, 10 * channel) for channel in range(channels)], -1)
    if depth == 16:
        row = values.astype(">u2").tobytes()
    elif depth == 8:
        row = values.astype(np.uint8).tobytes()
    else:
        bits = "".join(format(value, f"0{depth}b") for value in values.ravel())
        row = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    return [row] * HEIGHT, values


def _pngs() -> Iterator[tuple[str, bytes]]:
    palette = bytes(np.random.default_rng(1).integers(0, 256, 768, dtype=np.uint8))
    for colour, depths in _DEPTHS.items():
        for depth in depths:
            rows, values = _stripes(depth, _CHANNELS[colour])
            name = f"type {colour}, {depth} bits"
            colours = [chunk(b"PLTE", palette[: 3 << depth])] if colour == 3 else []
            yield f"{name}.png", png(rows, WIDTH, depth, colour, *colours)
            if colour in (0, 2):
                clear = struct.pack(f">{_CHANNELS[colour]}H", *map(int, values[30]))
            else:
                clear = bytes([0, 128, 255, 60][: 1 << depth])
            if colour in (0, 2, 3):
                clear = chunk(b"tRNS", clear)
                yield f"{name}, transparent.png", png(rows, WIDTH, depth, colour, *colours, clear)
    yield "interlaced.png", _interlaced()
    yield "animated, the picture beside it.png", _animated()


def _interlaced() -> bytes:
    """Adam7, grey of 8 bits."""
    values = np.asarray(picture(9, WIDTH, HEIGHT).convert("L"))
    passes = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ]
    data = b"".join(
        b"\0" + row.tobytes() for x, y, dx, dy in passes for row in values[y::dy, x::dx] if row.size
    )
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 1))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def _animated() -> bytes:
    frames = [picture(seed, WIDTH, HEIGHT) for seed in (1, 2, 3)]
    return encoded(
        frames[0], "PNG", save_all=True, append_images=frames[1:], default_image=True, duration=5000
    )


def gif(
    size: tuple[int, int],
    frame: tuple[int, int, int, int],
    index: int = 1,
    clear: int | None = None,
    disposal: int = 0,
) -> bytes:
    """Blue, red, green and yellow; one frame of one colour, left, top, width, height."""
    palette = bytes([0, 0, 255, 255, 0, 0, 0, 255, 0, 255, 255, 0])
    canvas = b"GIF89a" + struct.pack("<HHBBB", *size, 0xF1, 2, 0) + palette
    flags = disposal << 2 | (clear is not None)
    control = b"!\xf9\x04" + bytes([flags, 0, 0, clear or 0, 0])
    header = b"," + struct.pack("<HHHHB", *frame, 0)
    return canvas + control + header + _gif_pixels([index] * (frame[2] * frame[3])) + b";"


def _gif_pixels(indices: list[int]) -> bytes:
    """Of two bits each, as GIF's codes of three; the dictionary is cleared before it grows."""
    codes = [code for first in range(0, len(indices), 2) for code in (4, *indices[first : first + 2])] + [5]
    packed = sum(code << 3 * place for place, code in enumerate(codes)).to_bytes(
        -(-3 * len(codes) // 8), "little"
    )
    blocks = [packed[at : at + 255] for at in range(0, len(packed), 255)]
    return b"\2" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def _gifs() -> Iterator[tuple[str, bytes]]:
    for disposal in (0, 1, 2, 3):
        yield f"small frame, disposal {disposal}.gif", gif((60, 40), (10, 5, 20, 20), disposal=disposal)
    yield "small frame, clear.gif", gif((60, 40), (10, 5, 20, 20), clear=3)
    yield "frame in a corner.gif", gif((60, 40), (0, 0, 30, 40))
    yield "plain.gif", encoded(picture(2, WIDTH, HEIGHT), "GIF")
    yield "plain, interlaced.gif", encoded(picture(2, WIDTH, HEIGHT), "GIF", interlace=True)
    transparent = picture(3, WIDTH, HEIGHT).convert("P")
    yield "transparent.gif", encoded(transparent, "GIF", transparency=transparent.getpixel((0, 0)))
    frames = [picture(seed, WIDTH, HEIGHT) for seed in (1, 2)]
    yield "animated.gif", encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=60_000)


def _jpegs() -> Iterator[tuple[str, bytes]]:
    photo = picture(4, WIDTH, HEIGHT)
    for mode in ("L", "RGB", "CMYK"):
        yield f"{mode}.jpg", encoded(photo.convert(mode), "JPEG", quality=95)
    yield "progressive.jpg", encoded(photo, "JPEG", quality=95, progressive=True)
    for sampling in (0, 1, 2):
        yield f"subsampling {sampling}.jpg", encoded(photo, "JPEG", quality=95, subsampling=sampling)
    yield "of RGB.jpg", encoded(photo, "JPEG", quality=95, keep_rgb=True)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"orientation {orientation}.jpg", encoded(photo, "JPEG", quality=95, exif=exif)
    yield "with sRGB.jpg", encoded(photo, "JPEG", quality=95, icc_profile=_srgb())
    plain = encoded(photo, "JPEG", quality=95)
    yield "junk between segments.jpg", plain[:20] + b"some junk" + plain[20:]
    yield "long EXIF of nothing.jpg", plain[:2] + b"\xff\xe1\x00\x10Exif\0\0MM\0*\0\0\0\xff" + plain[2:]


def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _bmps() -> Iterator[tuple[str, bytes]]:
    photo = picture(5, WIDTH, HEIGHT)
    for mode in ("1", "L", "P", "RGB"):
        yield f"{mode}.bmp", encoded(photo.convert(mode), "BMP")
    pixels = np.asarray(photo)
    rows = np.concatenate([pixels[..., ::-1], np.full((HEIGHT, WIDTH, 1), 255, np.uint8)], -1).tobytes()
    header = struct.pack("<IiiHHIIiiII", 40, WIDTH, -HEIGHT, 1, 32, 0, len(rows), 0, 0, 0, 0)
    yield "top down, 32 bits.bmp", b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + header + rows
    high = (pixels[..., 0].astype(np.uint16) >> 3 << 11) | (pixels[..., 1].astype(np.uint16) >> 2 << 5)
    high |= pixels[..., 2] >> 3
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    rows = high[::-1].astype("<u2").tobytes()
    header = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 16, 3, len(rows), 0, 0, 0, 0) + masks
    yield "565.bmp", b"BM" + struct.pack("<IHHI", 66 + len(rows), 0, 0, 66) + header + rows


def _webps() -> Iterator[tuple[str, bytes]]:
    photo = picture(6, WIDTH, HEIGHT)
    clear = photo.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    yield "lossy.webp", encoded(photo, "WEBP", quality=95)
    yield "lossless.webp", encoded(photo, "WEBP", lossless=True)
    yield "lossy, clear.webp", encoded(clear, "WEBP", quality=95)
    yield "lossless, clear.webp", encoded(clear, "WEBP", lossless=True)
    frames = [picture(seed, WIDTH, HEIGHT) for seed in (7, 8)]
    yield (
        "animated.webp",
        encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=60_000),
    )


def _others() -> Iterator[tuple[str, bytes]]:
    photo = picture(7, 64, 48)
    clear = photo.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    yield "plain.avif", encoded(photo, "AVIF", quality=95)
    yield "clear.avif", encoded(clear, "AVIF", quality=95)
    yield "grey.avif", encoded(photo.convert("L"), "AVIF", quality=95)
    for orientation in (3, 6, 8):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"orientation {orientation}.avif", encoded(photo, "AVIF", quality=95, exif=exif.tobytes())
    square = clear.resize((64, 64))
    yield "one.ico", encoded(square, "ICO", sizes=[(64, 64)])
    yield "as BMP.ico", encoded(square, "ICO", sizes=[(32, 32)], bitmap_format="bmp")
