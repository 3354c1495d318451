"""The compare stage on a real, tiny, random CLIP, beside the same computed one by one."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from maccap.bundle import Bundle
from maccap.config import RegionConfig
from maccap.image.preprocessing import resize_and_crop
from maccap.image.regions import region_features
from pipeline.analyze.compare import WEIGHTINGS, CompareStage, region_count
from pipeline.analyze.pair_columns import read_vectors
from pipeline.formats.array_columns import pixels_column
from pipeline.stages.torch_runtime import TorchRuntime

CAPTIONS = [
    ["a red dog", "a small cup"],
    ["no image"],
    ["a blue car"],
    ["a red dog"],
    ["two trees", "a dog", "sits"],
]
ERRORS = [None, "damaged image", None, None, None]


@pytest.fixture(scope="module")
def stage(small_bundle: Path) -> CompareStage:
    return CompareStage(str(small_bundle), TorchRuntime(), batch=2, seed=0)


def _samples(
    stage: CompareStage, photos: list[Image.Image], captions: list[list[str]], errors: list
) -> pa.Table:
    pixels = np.stack([resize_and_crop(photo, stage.clip.pixels) for photo in photos[: len(captions)]])
    return pa.table(
        {
            "image_id": pa.array([f"{number}" for number in range(len(captions))]),
            "error": pa.array(errors, pa.string()),
            "captions": pa.array(captions, pa.list_(pa.string())),
            "pixels": pixels_column(pixels),
        }
    )


def test_cosines_and_differences_are_those_of_the_features(
    stage: CompareStage, small_bundle: Path, photos: list[Image.Image]
) -> None:
    done = stage(_samples(stage, photos, CAPTIONS, ERRORS))
    counts, cosines = read_vectors(done["cosines"])
    _, differences = read_vectors(done["differences"])
    assert counts.tolist() == [2, 0, 1, 1, 3]
    clip = Bundle.open(str(small_bundle)).load_clip()
    expected = []
    for row in np.flatnonzero(counts):
        image = clip.encode_image(torch.from_numpy(resize_and_crop(photos[row], clip.pixels))[None])
        for text in clip.encode_text(CAPTIONS[row]):
            parts = []
            for weighting in WEIGHTINGS:
                regions = region_features(image, RegionConfig(count=4, weighting=weighting))[0]
                read = F.normalize(image.global_ + regions, dim=-1)
                parts.append(torch.cat([image.global_, regions, read]) @ text)
            expected.append((torch.cat(parts).numpy(), (image.global_[0] - text).numpy()))
    assert cosines == pytest.approx(np.stack([pair[0] for pair in expected]), abs=1e-5)
    assert differences == pytest.approx(np.stack([pair[1] for pair in expected]), abs=1e-5)


def test_the_control_is_the_first_caption_of_another_image(
    stage: CompareStage, photos: list[Image.Image]
) -> None:
    samples = _samples(stage, photos, CAPTIONS, ERRORS)
    counts, differences = read_vectors(stage(samples)["other_differences"])
    assert counts[1] == 0
    _, own = read_vectors(stage(samples)["differences"])
    firsts = {0: 0, 2: 2, 3: 3, 4: 4}  # row: place of its first caption among the pairs
    texts = stage.clip.encode_text([CAPTIONS[row][0] for row in firsts]).numpy()
    globals_ = {row: own[place] + texts[n] for n, (row, place) in enumerate(firsts.items())}
    for row, difference in zip(np.repeat(np.arange(5), counts), differences, strict=True):
        (found,) = np.flatnonzero(np.abs(globals_[row] - difference - texts).max(axis=1) < 1e-5)[:1]
        assert CAPTIONS[list(firsts)[found]][0] not in CAPTIONS[row]


def test_an_image_alone_has_no_control_and_a_chunk_of_errors_no_pairs(
    stage: CompareStage, photos: list[Image.Image]
) -> None:
    alone = stage(_samples(stage, photos, CAPTIONS[:1], [None]))
    assert read_vectors(alone["other_cosines"])[0].tolist() == [0]
    nothing = stage(_samples(stage, photos, CAPTIONS[:2], ["damaged", "damaged"]))
    assert read_vectors(nothing["cosines"])[1].shape == (0, len(WEIGHTINGS) * 9)
    assert nothing.num_rows == 2


def test_a_model_without_regions_is_looked_at_with_the_papers() -> None:
    assert region_count(RegionConfig(count=1, weighting="none")) == 10
    assert region_count(RegionConfig(count=4)) == 4
