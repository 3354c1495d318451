"""Hashes of images: of bytes, and of what they look like however they were stored."""

from collections.abc import Callable
from hashlib import sha256
from io import BytesIO

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from maccap.image.preprocessing import PixelSpec, resize_and_crop
from maccap.scenes.world.render import render
from maccap.scenes.world.scene import split_scenes
from pipeline.chunk import SOURCE_SCHEMA
from pipeline.stages.decode import DecodeStage
from pipeline.stages.decoding.decode_image import DecodeLimits
from pipeline.stages.hashes import HashStage, perceptual_hash
from pipeline.stages.registry import stages_of
from pipeline.stages.steps import steps_of
from tests.images import encoded

SPEC = PixelSpec(224)


@pytest.fixture(scope="module")
def scenes() -> list[Image.Image]:
    return [render(scene, 256) for scene in split_scenes("test", 24, seed=0)]


def _hash(image: Image.Image) -> int:
    return perceptual_hash(resize_and_crop(image.convert("RGB"), SPEC))


def test_each_row_has_both_hashes_unless_it_is_an_error(scenes: list[Image.Image]) -> None:
    files = [encoded(scenes[0], quality=95), b"no image", encoded(scenes[0], "PNG"), encoded(scenes[1])]
    rows = [{"image_id": str(n), "index": n, "image": data} for n, data in enumerate(files)]
    decode = DecodeStage(SPEC, DecodeLimits())
    done = HashStage()(decode(pa.Table.from_pylist(rows, SOURCE_SCHEMA)))
    decode.close()
    digests = done["sha256"].to_pylist()
    assert digests == [None if n == 1 else sha256(data).hexdigest() for n, data in enumerate(files)]
    looks = done["phash"].to_pylist()
    assert looks[1] is None
    assert looks[2] == f"{_hash(scenes[0]):016x}"
    assert (int(looks[0], 16) ^ int(looks[2], 16)).bit_count() <= 3


def test_bytes_and_pixels_are_kept_until_they_are_hashed() -> None:
    drops = {step.stage.name: step.drops for step in steps_of(stages_of(("caption",), {"hashes"}))}
    assert (drops["decode"], drops["hashes"], drops["features"]) == ((), ("image",), ("pixels",))


@pytest.mark.parametrize(
    ("change", "most"),
    [
        (lambda image: Image.open(_file(image, quality=50)), 3),
        (lambda image: Image.open(_file(image, "WEBP", quality=50)), 3),
        (lambda image: image.resize((128, 128), Image.Resampling.LANCZOS), 3),
        (lambda image: image.resize((700, 700), Image.Resampling.BICUBIC), 3),
        (lambda image: image.convert("L"), 3),
        (lambda image: image.point(lambda value: min(255, int(1.1 * value))), 10),
    ],
    ids=["jpeg", "webp", "smaller", "larger", "grey", "brighter"],
)
def test_an_image_stored_in_another_way_looks_the_same(
    scenes: list[Image.Image], change: Callable[[Image.Image], Image.Image], most: int
) -> None:
    apart = [(_hash(image) ^ _hash(change(image))).bit_count() for image in scenes]
    assert max(apart) <= most, apart


def test_other_images_look_different(scenes: list[Image.Image]) -> None:
    hashes = [_hash(image) for image in scenes]
    apart = [(one ^ other).bit_count() for place, one in enumerate(hashes) for other in hashes[:place]]
    assert min(apart) > 10


def test_images_without_a_pattern_are_alike_and_half_of_any_other_is_bright() -> None:
    flat = [perceptual_hash(np.full((90, 90, 3), grey, np.uint8)) for grey in (0, 77, 255)]
    assert flat == [1 << 63] * 3
    noise = np.random.default_rng(0).integers(0, 256, (97, 97, 3), dtype=np.uint8)
    assert perceptual_hash(noise).bit_count() == 32


def _file(image: Image.Image, kind: str = "JPEG", **options: object) -> BytesIO:
    return BytesIO(encoded(image, kind, **options))
