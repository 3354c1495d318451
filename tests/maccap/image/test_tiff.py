"""TIFFs that Pillow reads wrongly or not at all, each a ramp from black to white."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from maccap.image.as_seen import as_seen
from maccap.image.preprocessing import PixelSpec
from pipeline.stages.decoding.decode_image import UndecodableError, decode_image

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")

EDGE = 64
RAMP = np.tile(np.linspace(0, 1, EDGE), (EDGE, 1))
EXPECTED = RAMP[..., None] * 255


def _tiff(values: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, metadata=None, **options)
    return buffer.getvalue()


def _whole(bits: int, *, signed: bool = False) -> np.ndarray:
    kind = np.dtype(f"{'i' if signed else 'u'}{bits // 8}")
    return (RAMP * np.iinfo(kind).max).astype(kind)


def _planes(values: np.ndarray) -> np.ndarray:
    return np.stack([values] * 3)


def _pixels(values: np.ndarray) -> np.ndarray:
    return np.stack([values] * 3, -1)


def _with_alpha(values: np.ndarray, white: float) -> np.ndarray:
    return np.stack([values, np.full_like(values, white)], -1)


KINDS = {
    "grey 16": lambda: _tiff(_whole(16), photometric="minisblack"),
    "grey 16, white is 0": lambda: _tiff(65535 - _whole(16), photometric="miniswhite"),
    "grey 16, signed": lambda: _tiff(_whole(16, signed=True), photometric="minisblack"),
    "grey 32": lambda: _tiff(_whole(32), photometric="minisblack"),
    "grey 12, packed": lambda: _tiff(_whole(16) >> 4, photometric="minisblack", bitspersample=12),
    "RGB 16": lambda: _tiff(_pixels(_whole(16)), photometric="rgb"),
    "RGB 16, planes": lambda: _tiff(_planes(_whole(16)), photometric="rgb", planarconfig="separate"),
    "RGB 16, planes, LZW": lambda: _tiff(
        _planes(_whole(16)), photometric="rgb", planarconfig="separate", compression="lzw", predictor=True
    ),
    "RGB 16, tiles of planes": lambda: _tiff(
        _planes(_whole(16)), photometric="rgb", planarconfig="separate", tile=(32, 32)
    ),
    "grey float 16": lambda: _tiff(RAMP.astype(np.float16), photometric="minisblack"),
    "grey float 32": lambda: _tiff(RAMP.astype(np.float32), photometric="minisblack"),
    "grey float 64, deflate": lambda: _tiff(RAMP, photometric="minisblack", compression="deflate"),
    "RGB float 32": lambda: _tiff(_pixels(RAMP.astype(np.float32)), photometric="rgb"),
    "grey 16 with alpha": lambda: _tiff(
        _with_alpha(_whole(16), 65535),
        photometric="minisblack",
        extrasamples=["unassalpha"],
        planarconfig="contig",
    ),
    "grey 8 with associated alpha": lambda: _tiff(
        _with_alpha(_whole(8), 255),
        photometric="minisblack",
        extrasamples=["assocalpha"],
        planarconfig="contig",
    ),
    "RGB 8, WebP": lambda: _tiff(_pixels(_whole(8)), photometric="rgb", compression="webp"),
    "grey 16, JPEG 2000": lambda: _tiff(_whole(16), photometric="minisblack", compression="jpeg2000"),
    "grey 16, zstd": lambda: _tiff(_whole(16), photometric="minisblack", compression="zstd"),
    "grey 16, LZMA": lambda: _tiff(_whole(16), photometric="minisblack", compression="lzma"),
    "RGB 16, PackBits": lambda: _tiff(_pixels(_whole(16)), photometric="rgb", compression="packbits"),
    "BigTIFF": lambda: _tiff(_pixels(_whole(8)), photometric="rgb", bigtiff=True),
    "BigTIFF, big-endian": lambda: _tiff(_pixels(_whole(8)), photometric="rgb", bigtiff=True, byteorder=">"),
    "RGB 16, planes, big-endian": lambda: _tiff(
        _planes(_whole(16)), photometric="rgb", planarconfig="separate", byteorder=">"
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_shows_what_is_in_it(kind: str) -> None:
    decoded = decode_image(KINDS[kind](), PixelSpec(EDGE))
    assert np.abs(decoded.pixels - EXPECTED).max() <= (4 if "WebP" in kind else 1.5)


def test_a_palette_of_8_bit_values() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (3, 256), dtype=np.uint16)
    indices = np.arange(EDGE * EDGE, dtype=np.uint8).reshape(EDGE, EDGE)
    for scale in (1, 257):
        data = _tiff(indices, photometric="palette", colormap=colours * scale)
        pixels = decode_image(data, PixelSpec(EDGE)).pixels
        assert np.array_equal(pixels, colours.T[indices])


def test_alpha_shows_white() -> None:
    half = np.full_like(_whole(16), 32768)
    for extra, colour in (("unassalpha", _whole(16)), ("assocalpha", _whole(16) // 2)):
        values = np.stack([colour, half], -1)
        data = _tiff(values, photometric="minisblack", extrasamples=[extra], planarconfig="contig")
        assert np.abs(decode_image(data, PixelSpec(EDGE)).pixels - (EXPECTED / 2 + 127.5)).max() <= 1.5


def test_negative_and_large_numbers_are_shown_over_what_there_is() -> None:
    for values in (RAMP * 700 - 300, RAMP * 4000):
        for kind in (np.float16, np.float64):
            data = _tiff(values.astype(kind), photometric="minisblack")
            assert np.abs(decode_image(data, PixelSpec(EDGE)).pixels - EXPECTED).max() <= 2
    signed = _tiff((RAMP * 2000 - 1000).astype(np.int16), photometric="minisblack")
    assert np.abs(decode_image(signed, PixelSpec(EDGE)).pixels - EXPECTED).max() <= 1.5


def test_it_is_turned_upright() -> None:
    values = np.zeros((20, 40, 2), np.uint16)
    data = _tiff(
        values,
        photometric="minisblack",
        extrasamples=["unassalpha"],
        planarconfig="contig",
        extratags=[(274, 3, 1, 6, True)],
    )
    decoded = decode_image(data, PixelSpec(8))
    assert (decoded.width, decoded.height, decoded.decoder) == (20, 40, "tifffile")


def test_the_size_is_checked_before_any_pixel_is() -> None:
    data = _tiff(_planes(_whole(16)), photometric="rgb", planarconfig="separate")
    size = rb"([\x00\x01]\x01[\x03\x04]\x00\x01\x00\x00\x00)@\x00"  # ImageWidth and ImageLength
    huge = re.sub(size, lambda match: match[1] + b"\xff\xff", data)
    with pytest.raises(UndecodableError, match="65535 x 65535 pixels are more than the limit"):
        decode_image(huge, PixelSpec(EDGE))


def test_pillow_alone_shows_12_bits() -> None:
    """Without the pipeline: what a `Captioner` is given."""
    opened = Image.open(io.BytesIO(KINDS["grey 12, packed"]()))
    assert np.abs(np.asarray(as_seen(opened).convert("RGB")) - EXPECTED).max() <= 1.5
