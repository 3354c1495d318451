"""What `colour: embedded` does to captions: scenes stored in the colours of Adobe RGB and of a wider space.

`pytest -rP` prints the scores.
"""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from maccap import Captioner
from maccap.image.as_seen import as_seen
from maccap.image.preprocessing import resize_and_crop
from maccap.scenes.evaluation.score import Scores, score
from maccap.scenes.world.facts import scenes_with_facts
from maccap.scenes.world.render import render
from tests.colour_profiles import ADOBE_RGB, WIDER

COUNT = 100


@pytest.mark.parametrize("profile", [ADOBE_RGB, WIDER], ids=["Adobe RGB", "wider"])
def test_colours_that_a_profile_tells_are_named_as_they_are_seen(profile: bytes) -> None:
    captioner = Captioner.from_pretrained()
    scenes = scenes_with_facts("test", COUNT, 77)
    plain = [render(scene, 192) for scene, _ in scenes]
    srgb, space = ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(profile))
    stored = [ImageCms.profileToProfile(image, srgb, space) for image in plain]

    def scored(images: list[Image.Image], embedded: bool) -> Scores:
        spec = captioner.features.clip.pixels
        for image in images:
            image.info["icc_profile"] = profile
        pixels = [Image.fromarray(resize_and_crop(as_seen(image, embedded), spec)) for image in images]
        captions = captioner.caption(pixels, ids=[str(number) for number in range(COUNT)])
        return score([caption.text for caption in captions], [facts for _, facts in scenes])

    with torch.inference_mode():
        told, ignored = scored(stored, True), scored(stored, False)
    print("embedded:", told.shown())
    print("ignored: ", ignored.shown())
    moved = [np.abs(np.asarray(a, int) - np.asarray(b)).mean() for a, b in zip(plain, stored, strict=True)]
    assert np.mean(moved) > 3
    assert told.cider_d > ignored.cider_d
