import contextlib
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from maccap.image.preprocessing import PixelSpec, resize_and_crop
from pipeline.stages.decoding.decode_image import DecodedImage, DecodeLimits, UndecodableError, decode_image
from tests.images import BAD_FILES, encoded, hostile_files, picture, png_header

SPEC = PixelSpec(32)


def _whole(image: Image.Image, kind: str = "PNG", **options: object) -> np.ndarray:
    """Decoded at its own size, so that pixels can be compared to the original's."""
    size = image.width
    return decode_image(encoded(image, kind, **options), PixelSpec(size)).pixels


def test_a_plain_image_is_what_clip_preprocessing_makes_of_it() -> None:
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "PPM", "TIFF"):
        data = encoded(picture(3, 70, 50), kind)
        expected = resize_and_crop(_open(data).convert("RGB"), SPEC)
        decoded = decode_image(data, SPEC)
        assert np.array_equal(decoded.pixels, expected), kind
        assert (decoded.width, decoded.height) == (70, 50)


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("name", [name for name in hostile_files() if name not in BAD_FILES])
def test_every_odd_image_is_decoded(name: str) -> None:
    decoded = decode_image(hostile_files()[name], SPEC)
    assert decoded.pixels.shape == (32, 32, 3)
    assert decoded.pixels.std() > 10


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bad-text.jpg", "not an image of a known format: text or data that starts with b'I am a t'"),
        ("bad-empty.jpg", "the file is empty (0 bytes)"),
        ("bad-huge.png", "30000 x 30000 pixels are more than the limit of 178956970 (max_pixels)"),
        ("bad-cut.jpg", "truncated"),
        ("bad-sliver.png", "400000 x 1 pixels are too narrow to resize"),
    ],
)
def test_every_bad_image_has_a_short_reason(name: str, reason: str) -> None:
    with pytest.raises(UndecodableError) as error:
        decode_image(BAD_FILES[name], SPEC)
    assert reason in str(error.value)
    assert len(str(error.value)) < 200


def test_noise_at_any_place_of_a_file_never_escapes_as_another_error() -> None:
    numbers = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"):
        whole = encoded(picture(1), kind)
        for _ in range(60):
            data = bytearray(whole)
            for place in numbers.integers(0, len(data), 4):
                data[place] = numbers.integers(0, 256)
            with contextlib.suppress(UndecodableError):
                decode_image(bytes(data), SPEC, DecodeLimits(max_pixels=1_000_000))


def test_the_pixel_limit_is_on_the_header() -> None:
    assert decode_image(encoded(picture(0, 40, 40)), SPEC, DecodeLimits(max_pixels=1600)).width == 40
    with pytest.raises(UndecodableError, match="max_pixels"):
        decode_image(png_header(40, 41), SPEC, DecodeLimits(max_pixels=1600))


def test_a_turned_photo_is_seen_upright() -> None:
    upright = picture(5, 60, 40)
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a turn of 90 degrees clockwise
    decoded = decode_image(encoded(stored, "PNG", exif=exif), SPEC)
    assert (decoded.width, decoded.height) == (60, 40)
    assert np.array_equal(decoded.pixels, resize_and_crop(upright, SPEC))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_whole_range(kind: str) -> None:
    values = np.linspace(0, 65535, 32 * 32).round().astype(np.uint16).reshape(32, 32)
    pixels = _whole(Image.fromarray(values), kind)
    assert np.array_equal(pixels[..., 0], np.round(values / 257).astype(np.uint8))


def test_a_large_16_bit_image_takes_little_more_memory_than_itself() -> None:
    """Pillow holds 30 million pixels of I;16 in 57 MB; one copy of them as float64 would be 229 MB."""
    program = """
import io, resource
from PIL import Image
from maccap.image.preprocessing import PixelSpec
from pipeline.stages.decoding.decode_image import decode_image
buffer = io.BytesIO()
Image.new("I;16", (5000, 6000), 40_000).save(buffer, "PNG", compress_level=1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
pixels = decode_image(buffer.getvalue(), PixelSpec(32)).pixels
assert (pixels == round(40_000 / 257)).all()
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
assert grown < 200, grown
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_32_bit_and_float_images_are_not_one_flat_colour() -> None:
    ramp = np.linspace(-3.0, 9.0, 32 * 32).reshape(32, 32)
    for values in (ramp.astype(np.float32), (ramp * 1_000_000).astype(np.int32)):
        pixels = _whole(Image.fromarray(values), "TIFF")
        assert (pixels.min(), pixels.max()) == (0, 255)


def test_transparency_shows_white() -> None:
    image = picture(1, 32, 32).convert("RGBA")
    image.putalpha(Image.fromarray(np.repeat([[0, 255]], 32, axis=0).repeat(16, axis=1).astype(np.uint8)))
    pixels = _whole(image)
    assert (pixels[:, :16] == 255).all()
    assert np.array_equal(pixels[:, 16:], np.asarray(picture(1, 32, 32))[:, 16:])


def test_a_transparent_palette_shows_white() -> None:
    image = Image.new("P", (32, 32), 0)
    image.putpalette([0, 0, 0, 200, 10, 10])
    image.paste(1, (16, 0, 32, 32))
    pixels = _whole(image, "GIF", transparency=0)
    assert (pixels[:, :16] == 255).all()
    assert (pixels[:, 16:] == [200, 10, 10]).all()


def test_an_animation_is_its_first_frame() -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP"):
        pixels = _whole(frames[0], kind, save_all=True, append_images=frames[1:])
        assert pixels[0, 0, 0] > 200


def test_cmyk_colours_are_those_of_the_picture() -> None:
    pixels = _whole(Image.new("RGB", (32, 32), (200, 40, 90)).convert("CMYK"), "JPEG", quality=100)
    assert np.abs(pixels[16, 16].astype(int) - [200, 40, 90]).max() < 6


def _cut(kind: str, share: float = 0.6) -> bytes:
    whole = encoded(picture(4, 200, 200), kind)
    return whole[: int(len(whole) * share)]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "PPM"])
def test_an_image_cut_short_is_refused_or_taken_as_far_as_it_goes(kind: str) -> None:
    with pytest.raises(UndecodableError):
        decode_image(_cut(kind), SPEC)
    taken = decode_image(_cut(kind), SPEC, DecodeLimits(accept_truncated=True)).pixels
    whole = decode_image(encoded(picture(4, 200, 200), kind), SPEC).pixels
    as_they_were = np.abs(taken.astype(int) - whole).max(axis=(1, 2)) <= 8
    assert 8 <= as_they_were.sum() < 32  # rows, of 32; a BMP starts with the lowest
    with pytest.raises(UndecodableError):  # accepted once, and not from then on
        decode_image(_cut(kind), SPEC)


def test_a_reduced_jpeg_shows_the_same_and_says_its_whole_size() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth = picture(4, 4, 4).resize((601, 401), Image.Resampling.BICUBIC)
    for options in ({}, {"exif": exif}):
        data = encoded(smooth, "JPEG", quality=95, **options)
        whole, reduced = _whole_and_reduced(data)
        assert (reduced.width, reduced.height) == (whole.width, whole.height)
        difference = np.abs(whole.pixels.astype(int) - reduced.pixels)
        assert 0 < difference.max() < 12


def test_only_a_jpeg_far_larger_than_needed_is_reduced() -> None:
    for data in (encoded(picture(5, 127, 90)), encoded(picture(5, 601, 401), "PNG")):
        whole, reduced = _whole_and_reduced(data)
        assert np.array_equal(whole.pixels, reduced.pixels)


def _whole_and_reduced(data: bytes) -> tuple[DecodedImage, DecodedImage]:
    return decode_image(data, SPEC), decode_image(data, SPEC, DecodeLimits(reduce_jpegs=True))


def test_a_phone_s_file_of_several_jpegs_is_reduced_too() -> None:
    whole, reduced = _whole_and_reduced(encoded(picture(5, 600, 400), "MPO", quality=95))
    assert (whole.width, whole.height) == (reduced.width, reduced.height) == (600, 400)
    assert not np.array_equal(whole.pixels, reduced.pixels)
    assert np.abs(whole.pixels.astype(int) - reduced.pixels).mean() < 6
