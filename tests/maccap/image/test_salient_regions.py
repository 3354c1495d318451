"""The places that CLIP looks at: boxes and features from attention made by hand."""

import pytest
import torch
import torch.nn.functional as F

from maccap.image.clip import ImageTokens
from maccap.image.salient_regions import salient_regions

GRID = 4


def _image(cls: dict[int, float], looks: dict[int, dict[int, float]]) -> ImageTokens:
    """An image of 4 x 4 patches: how much CLS attends to some, and these to others."""
    torch.manual_seed(0)
    attention = torch.full((1, 1 + GRID**2, 1 + GRID**2), 0.01)
    for patch, weight in cls.items():
        attention[0, 0, 1 + patch] = weight
    for patch, row in looks.items():
        for other, weight in row.items():
            attention[0, 1 + patch, 1 + other] = weight
    tokens = F.normalize(torch.randn(1, 1 + GRID**2, 8), dim=-1)
    return ImageTokens(tokens[:, 0], tokens, attention)


UPPER, LOWER = {0: 0.9, 1: 0.5, 5: 0.4}, {15: 0.8, 11: 0.7, 3: 0.6}
TWO = _image({5: 0.5, 6: 0.4, 10: 0.3}, {5: UPPER, 6: {**UPPER, 1: 0.6}, 10: LOWER})


def test_a_region_is_what_is_connected_with_the_peak() -> None:
    (found,) = salient_regions(TWO, 2)
    assert found.patches == [0, 15]
    assert found.boxes == [(0, 0, 0.5, 0.5), (0.75, 0.5, 0.25, 0.5)]  # patch 3 is high, but elsewhere


def test_its_feature_is_gathered_there_alone() -> None:
    (found,) = salient_regions(TWO, 1)
    by_hand = torch.stack([weight * TWO.tokens[0, 1 + patch] for patch, weight in UPPER.items()]).sum(0)
    torch.testing.assert_close(found.features, F.normalize(by_hand, dim=-1)[None])


def test_a_place_is_named_once_and_more_are_no_others() -> None:
    """Patches 5 and 6 look at one place; no more than three of the patches look anywhere."""
    (one,), (several,) = salient_regions(TWO, 1), salient_regions(TWO, 3)
    assert several.patches[: len(one.patches)] == one.patches
    assert several.patches[:2] == [0, 15]
    assert len(set(several.boxes)) == len(several.boxes) <= 3


def test_what_covers_most_of_an_image_gives_way() -> None:
    everywhere = dict.fromkeys(range(GRID**2), 0.5)
    (found,) = salient_regions(_image({2: 0.9, 10: 0.3}, {2: everywhere, 10: LOWER}), 1)
    assert found.patches == [15]


def test_even_attention_is_the_whole_image() -> None:
    (found,) = salient_regions(_image({}, {}), 4)
    assert found.boxes == [(0, 0, 1, 1)]
    assert float(found.features.norm()) == pytest.approx(1)
