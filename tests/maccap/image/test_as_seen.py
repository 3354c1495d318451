"""For colour.py and stored_pixels.py too; tests/pipeline/stages/decoding/test_browser.py has what a browser
shows of more files.
"""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from maccap.image.as_seen import as_seen
from tests.colour_profiles import ADOBE_RGB
from tests.hostile.odd_pixels import chunk, gif, png
from tests.images import encoded, picture


def _seen(data: bytes, embedded_colours: bool = False) -> np.ndarray:
    return np.asarray(as_seen(Image.open(io.BytesIO(data)), embedded_colours).convert("RGB"))


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_the_transparent_grey_is_one_of_the_file_s_depth(depth: int) -> None:
    for clear in {0, 1, (1 << depth) - 1}:
        for value in {clear, 0, (1 << depth) // 2}:
            row = int(format(value, f"0{depth}b") * 16, 2).to_bytes(2 * depth, "big")
            data = png([row] * 16, 16, depth, 0, chunk(b"tRNS", struct.pack(">H", clear)))
            shown = 255 if value == clear else round(255 * value / ((1 << depth) - 1))
            assert (_seen(data) == shown).all(), (clear, value)


@pytest.mark.parametrize(("value", "shown"), [(1, 255), (2, 0), (0x0100, 1), (0x8001, 128)])
def test_all_16_bits_of_a_colour_count(value: int, shown: int) -> None:
    row = value.to_bytes(2, "big") * 3 * 16
    data = png([row] * 16, 16, 16, 2, chunk(b"tRNS", struct.pack(">HHH", 1, 1, 1)))
    assert (_seen(data) == shown).all()


@pytest.mark.parametrize("disposal", [0, 1, 2])
@pytest.mark.parametrize("clear", [None, 0, 3])
def test_around_the_first_frame_of_a_gif_nothing_is_shown(clear: int | None, disposal: int) -> None:
    shown = _seen(gif((30, 20), (10, 5, 8, 6), clear=clear, disposal=disposal)).copy()
    assert (shown[5:11, 10:18] == (255, 0, 0)).all()
    shown[5:11, 10:18] = 255
    assert (shown == 255).all()


def test_a_later_frame_is_seen_with_those_before_it() -> None:
    first, second = picture(1), picture(1)
    second.paste((1, 2, 3), (10, 10, 20, 20))
    opened = Image.open(io.BytesIO(encoded(first, "GIF", save_all=True, append_images=[second])))
    opened.seek(1)
    seen = np.asarray(as_seen(opened).convert("RGB"))
    assert np.abs(seen.astype(int) - np.asarray(second)).max() <= 3


def test_a_whole_frame_of_a_gif_is_what_it_was() -> None:
    image = picture(2)
    assert np.array_equal(_seen(encoded(image, "GIF")), np.asarray(image))


def test_an_image_that_is_loaded_already_is_seen_as_it_is() -> None:
    opened = Image.open(io.BytesIO(gif((30, 20), (10, 5, 8, 6))))
    opened.load()
    assert np.asarray(as_seen(opened)).shape == (20, 30, 3)
    assert np.array_equal(np.asarray(as_seen(picture(3))), np.asarray(picture(3)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_embedded_colours_are_those_that_were_meant(kind: str) -> None:
    meant = Image.new("RGB", (16, 16), (180, 90, 60))
    srgb, wide = ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(ADOBE_RGB))
    stored = ImageCms.profileToProfile(meant, srgb, wide)
    assert stored is not None
    data = encoded(stored, kind, icc_profile=ADOBE_RGB)
    assert np.abs(_seen(data, embedded_colours=True).astype(int) - np.asarray(meant)).max() <= 6
    assert np.abs(_seen(data).astype(int) - np.asarray(stored)).max() <= 6
    assert np.abs(np.asarray(stored).astype(int) - np.asarray(meant)).max() > 12


def test_transparency_stays_beside_embedded_colours() -> None:
    clear = Image.new("RGBA", (8, 8), (180, 90, 60, 0))
    assert (_seen(encoded(clear, "PNG", icc_profile=ADOBE_RGB), embedded_colours=True) == 255).all()


@pytest.mark.parametrize(
    "profile", [b"no profile", ADOBE_RGB[:200], ADOBE_RGB[:16] + b"CMYK" + ADOBE_RGB[20:]]
)
def test_a_damaged_profile_costs_nothing(profile: bytes) -> None:
    image = picture(1)
    assert np.array_equal(_seen(encoded(image, "PNG", icc_profile=profile), True), np.asarray(image))
    assert _seen(encoded(image.convert("CMYK"), "JPEG", icc_profile=profile)).std() > 10


def test_srgb_is_left_as_it_is() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = picture(1)
    assert np.array_equal(_seen(encoded(image, "PNG", icc_profile=profile), True), np.asarray(image))


def test_lab_is_shown_in_srgb() -> None:
    image = picture(6)
    lab = ImageCms.profileToProfile(
        image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    shown = _seen(encoded(lab, "TIFF"))
    assert np.abs(shown.astype(int) - np.asarray(image)).mean() < 3
