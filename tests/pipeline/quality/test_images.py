"""Also for hash_counts.py and near_hashes.py: images that are there more than once."""

import numpy as np
import pytest

from pipeline.quality.duplicates import DuplicateTotals, Group
from pipeline.quality.images import ImageCopies, perceptual_hashes
from pipeline.quality.near_hashes import near_groups
from pipeline.stages.hashes import perceptual_hash

PHOTO, NEAR, CHAINED = "8000000000f00000", "8000000000f00007", "8000000000f00038"


def test_images_are_compared_by_their_bytes_and_their_look() -> None:
    copies = ImageCopies()
    copies.add(["a", "a", None, "b"], [PHOTO, PHOTO, None, NEAR], ["1", "2", "broken", "3"])
    copies.add(["c", "d"], ["0123456789abcdef", CHAINED], ["4", "5"])
    assert copies.totals() == DuplicateTotals(rows=5, exact=1, near=3)  # the chain is one group
    assert copies.largest() == [Group(4, "1")]
    assert copies.crowded == 0


def test_without_a_tolerance_only_equal_hashes_are_near() -> None:
    copies = ImageCopies(most_bits=0)
    assert copies.totals() == DuplicateTotals(0, 0, 0)
    copies.add(list("abc"), [PHOTO, PHOTO, NEAR], list("123"))
    assert copies.totals() == DuplicateTotals(3, 0, 1)


def test_images_of_one_even_colour_are_compared_by_their_bytes_alone() -> None:
    colours = [np.full((64, 64, 3), colour, np.uint8) for colour in ((0, 0, 0), (255, 255, 255), (255, 0, 0))]
    hashes = [f"{perceptual_hash(pixels):016x}" for pixels in colours]
    assert len(set(hashes)) == 1
    copies = ImageCopies()
    copies.add(["black", "white", "red", "red", "photo"], [*hashes, hashes[-1], PHOTO], list("12345"))
    assert copies.totals() == DuplicateTotals(rows=5, exact=1, near=0)
    assert (copies.largest(), copies.flat) == ([], 4)


def test_near_hashes_are_found_wherever_their_bits_differ() -> None:
    generator = np.random.default_rng(0)
    originals = generator.integers(0, 2**64, 3000, dtype=np.uint64)
    changed = originals.copy()
    for row in range(len(changed)):
        for bit in generator.choice(64, 1 + row % 3, replace=False):
            changed[row] ^= np.uint64(1) << np.uint64(bit)
    hashes = np.unique(np.concatenate([originals, changed]))
    groups, crowded = near_groups(hashes)
    of = dict(zip(hashes.tolist(), groups.tolist(), strict=True))
    assert [of[hash_] for hash_ in originals.tolist()] == [of[hash_] for hash_ in changed.tolist()]
    assert (len(set(groups.tolist())), crowded) == (3000, 0)


def test_what_is_too_much_alike_to_compare_all_of_is_counted() -> None:
    hashes = np.unique(np.arange(5000, dtype=np.uint64) << np.uint64(52))
    groups, crowded = near_groups(hashes)
    assert crowded > 0
    assert len(np.unique(groups)) < len(hashes) / 2


def test_hashes_that_are_none_and_a_tolerance_that_is_too_wide_are_errors() -> None:
    with pytest.raises(ValueError, match="at most 3 bits, not 4"):
        near_groups(perceptual_hashes([PHOTO]), 4)
    with pytest.raises(ValueError, match="hexadecimal"):
        perceptual_hashes(["not a hash"])
