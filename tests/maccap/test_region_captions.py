"""Captions of regions from Python: where they lie, and what they depend on."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from maccap.captioner import Captioner
from maccap.captions import Captions
from maccap.config import REGION_WEIGHT, DecodingConfig
from maccap.image.preprocessing import resize_and_crop
from maccap.image.salient_regions import salient_regions

IDS = [f"image {n}" for n in range(8)]


@pytest.fixture(scope="module")
def captioner(small_bundle: Path) -> Captioner:
    return Captioner.from_pretrained(small_bundle, device="cpu")


@pytest.fixture(scope="module")
def captions(captioner: Captioner, photos: list[Image.Image]) -> Captions:
    return captioner.caption(photos, ids=IDS, region_captions=3)


def test_boxes_lie_in_what_clip_saw(captions: Captions, photos: list[Image.Image]) -> None:
    for caption, photo in zip(captions, photos, strict=True):
        assert 1 <= len(caption.regions) <= 3
        across, down = (1 - min(photo.size) / side for side in photo.size)  # cut off, half on each side
        for _, score, patch, (left, top, width, height) in caption.regions:
            assert -1 <= score <= 1
            assert 0 <= patch < 16
            assert across / 2 - 1e-6 <= left < left + width <= 1 - across / 2 + 1e-6
            assert down / 2 - 1e-6 <= top < top + height <= 1 - down / 2 + 1e-6


def test_score_is_the_cosine_of_text_and_region(
    captioner: Captioner, captions: Captions, photos: list[Image.Image]
) -> None:
    clip = captioner.features.clip
    pixels = torch.from_numpy(resize_and_crop(photos[0], clip.pixels))[None]
    (found,) = captioner.features.of_regions(clip.encode_image(pixels), 3)
    for region, feature in zip(captions[0].regions, found.regions.features, strict=True):
        text = clip.encode_text([region.text])[0]
        assert region.score == pytest.approx(float(text @ feature), abs=1e-3)  # half precision


def test_a_region_is_read_beside_the_whole_image(captioner: Captioner, photos: list[Image.Image]) -> None:
    clip = captioner.features.clip
    seen = clip.encode_image(torch.from_numpy(resize_and_crop(photos[1], clip.pixels))[None])
    (found,), (alone,) = captioner.features.of_regions(seen, 3), salient_regions(seen, 3)
    expected = F.normalize(seen.global_ + REGION_WEIGHT * alone.features, dim=-1)
    torch.testing.assert_close(found.features, expected)
    assert found.regions[:2] == alone[:2]


def test_neither_neighbours_nor_other_regions_nor_the_caption_affect_it(
    captioner: Captioner, captions: Captions, photos: list[Image.Image]
) -> None:
    def texts(some: Captions) -> list[list[tuple]]:
        return [[(region.text, region.patch, region.box) for region in one.regions] for one in some]

    alone = captioner.caption(photos[2:3], ids=IDS[2:3], region_captions=3)
    fewer = captioner.caption(photos, ids=IDS, region_captions=1, batch_images=3)
    other = captioner.caption(photos, ids=IDS, seed=1, region_captions=3)
    assert texts(alone) == texts(captions)[2:3]
    assert texts(fewer) == [row[:1] for row in texts(captions)]
    assert texts(other) != texts(captions)
    assert [one.text for one in captions] == [one.text for one in captioner.caption(photos, ids=IDS)]
    assert all(not one.regions for one in captioner.caption(photos[:1]))


def test_a_table_has_them_as_a_runs_table_has(captions: Captions) -> None:
    rows = captions.to_table()["region_captions"].to_pylist()
    assert [[one["text"] for one in row] for row in rows] == [
        [r.text for r in one.regions] for one in captions
    ]
    assert rows[0][0]["box"] == pytest.approx(captions[0].regions[0].box)


def test_they_are_decoded_as_captions_are(captioner: Captioner, photos: list[Image.Image]) -> None:
    beams = DecodingConfig(candidates=2, strategy="beam", beams=2, samples_per_draw=2, max_new_tokens=6)
    (caption,) = captioner.caption(photos[:1], decoding=beams, prompt="a red dog", region_captions=2)
    assert all(region.text.startswith("a red dog") for region in caption.regions)
