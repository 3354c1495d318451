"""What the adaptor reads of a caption where it will read regions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from maccap.adaptor.text_regions import WITHOUT, distinct_phrases, phrases_of, region_draws

CAPTIONS = ["a dog and a cat", "a red car", "a cat in a tree"]
TEXTS = distinct_phrases(CAPTIONS)


def features(count: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(count, 8, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_a_region_adds_one_part_of_its_own_caption_or_the_caption_again() -> None:
    assert TEXTS == ["a dog", "a cat", "a tree"]
    captions, parts = features(3, 0), features(3, 1)
    read = phrases_of(CAPTIONS, TEXTS, parts.half(), patch_weight=0.5)
    of = np.array([2, 1, 0])
    draws = np.array([[0.0, WITHOUT, 0.9], [0.9, 0.5, 0.1], [0.6, 0.999, 0.2]])
    regions = read.regions(captions[of], of, draws)
    cat, dog, tree = parts[1], parts[0], parts[2]
    expected = [
        [captions[2] * 1.5, captions[2] + 0.5 * cat, captions[2] + 0.5 * tree],
        [captions[1] * 1.5] * 3,  # it has no parts
        [captions[0] + 0.5 * dog, captions[0] + 0.5 * cat, captions[0] * 1.5],
    ]
    assert torch.allclose(regions, torch.stack([torch.stack(row) for row in expected]), atol=1e-3)


def test_draws_belong_to_the_occasion_and_the_position_there() -> None:
    one = region_draws(0, "step 1", np.array([4, 7]), 5)
    assert np.array_equal(one[1:], region_draws(0, "step 1", np.array([7]), 5))
    assert not np.array_equal(one, region_draws(0, "step 2", np.array([4, 7]), 5))
    assert ((one >= 0) & (one < 1)).all()


def test_a_part_without_a_feature_is_an_error() -> None:
    with pytest.raises(KeyError, match="a tree"):
        phrases_of(CAPTIONS, TEXTS[:2], features(2, 0), 1.0)
