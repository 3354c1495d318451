import subprocess
import sys

import numpy as np
import pytest

from maccap.image.preprocessing import PixelSpec
from pipeline.stages.decoding.decode_image import UndecodableError, decode_image
from pipeline.stages.decoding.odd_jpeg import odd_jpeg
from tests.images import encoded, picture

RAMP = np.tile(np.linspace(0, 1, 64), (64, 1))
COLOURS = np.stack([RAMP, 1 - RAMP, RAMP / 2], -1)


def _jpeg(bits: int, values: np.ndarray, **options: object) -> bytes:
    codec = pytest.importorskip("imagecodecs")
    kind = np.uint8 if bits == 8 else np.uint16
    stored = (values * (2**bits - 1)).astype(kind)
    return codec.jpeg_encode(np.ascontiguousarray(stored), bitspersample=bits, level=98, **options)


@pytest.mark.parametrize("values", [RAMP, COLOURS], ids=["grey", "colour"])
@pytest.mark.parametrize(("bits", "lossless"), [(12, False), (8, True), (16, True)])
def test_it_is_what_it_was_made_of(bits: int, lossless: bool, values: np.ndarray) -> None:
    decoded = decode_image(_jpeg(bits, values, lossless=lossless), PixelSpec(64))
    assert decoded.decoder == "imagecodecs"
    expected = (values * 255)[..., None] if values.ndim == 2 else values * 255
    assert np.abs(decoded.pixels - expected).mean() < 1


def test_without_imagecodecs_the_error_names_it() -> None:
    program = f"""
import sys
sys.modules["imagecodecs"] = None  # as if it were not installed
from maccap.image.preprocessing import PixelSpec
from pipeline.stages.decoding.decode_image import decode_image
decode_image({_jpeg(12, RAMP)!r}, PixelSpec(32))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    expected = "12-bit JPEG needs imagecodecs: pip install 'maccap[imagecodecs]'"
    assert done.stderr.splitlines()[-1].endswith(expected)


def test_a_damaged_one_is_called_so() -> None:
    whole = _jpeg(12, COLOURS)
    with pytest.raises(UndecodableError, match="damaged image"):
        decode_image(whole[:-200], PixelSpec(32))


def test_ordinary_ones_are_left_to_pillow() -> None:
    for options in ({}, {"progressive": True}, {"quality": 30}):
        assert odd_jpeg(encoded(picture(0), "JPEG", **options)) is None
