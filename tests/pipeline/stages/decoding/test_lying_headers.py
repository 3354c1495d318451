"""Also for header_size.py: no file makes the decoder hold a gigabyte before its size is checked, whatever
its header says.
"""

from pathlib import Path

import psutil
import pytest

from maccap.image.preprocessing import PixelSpec
from pipeline.stages.decoding.decode_image import DecodeLimits, UndecodableError
from pipeline.stages.decoding.isolated_decoder import IsolatedDecoder
from tests.hostile.lying_headers import lying_headers, small_outside
from tests.images import encoded, picture

HARMLESS = encoded(picture(0))


def _answer(data: bytes) -> tuple[str, float]:
    """What the decoder says of a file, and the most it held in GB; it lives on."""
    before = set(psutil.Process().children())
    decoder = IsolatedDecoder(PixelSpec(32), DecodeLimits())
    try:
        list(decoder.decode([HARMLESS]))
        (process,) = set(psutil.Process().children()) - before
        answer, after = decoder.decode([data, HARMLESS])
        assert not isinstance(after, UndecodableError)
        assert set(psutil.Process().children()) - before == {process}, "the decoder died of it"
        status = Path(f"/proc/{process.pid}/status").read_text()
        return str(answer), int(status.split("VmHWM:")[1].split()[0]) / 2**20
    finally:
        decoder.close()


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in lying_headers()])
def test_a_header_that_promises_too_much(data: bytes) -> None:
    answer, held = _answer(data)
    assert "max_pixels" in answer or "damaged image" in answer
    assert held < 1


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in small_outside()])
def test_a_header_that_promises_too_little(data: bytes) -> None:
    _, held = _answer(data)
    assert held < 1
