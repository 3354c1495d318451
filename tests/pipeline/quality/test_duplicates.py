"""Also for words.py and frequent.py: captions that are there more than once."""

import numpy as np
import pytest

from pipeline.quality.duplicates import Copies, DuplicateTotals, Group, normalised, normalised_hashes
from pipeline.quality.frequent import FrequentExamples

FILES: list[list[str | None]] = [
    ["A dog and a cat.", None, "a red ball", "the cat and dog"],
    ["A dog and a cat.", "a blue ball", "A dog, and a cat!", ""],
]


@pytest.fixture(scope="module")
def copies() -> Copies:
    copies = Copies()
    for captions in FILES:
        copies.add(captions)
    return copies


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A dog and the cat.", "and cat dog"),
        ("THE CAT\nAND DOG", "and cat dog"),
        ("a man's hat", "hat man's"),
        ("a man’s hat", "hat man's"),
        ("Straße", "strasse"),
        ("an", ""),
    ],
)
def test_near_duplicates_have_the_same_words(caption: str, expected: str) -> None:
    assert normalised(caption) == expected


def test_exact_and_near_duplicates_are_counted(copies: Copies) -> None:
    assert copies.totals() == DuplicateTotals(rows=7, exact=1, near=3)
    assert copies.largest() == [Group(4, "A dog and a cat.")]


def test_each_row_knows_its_copies(copies: Copies) -> None:
    hashes = [normalised_hashes(captions) for captions in FILES]
    assert [copies.copies_of(of_file).tolist() for of_file in hashes] == [[4, 0, 1, 4], [4, 1, 4, 1]]
    assert copies.copies_of(normalised_hashes(["never said"])).tolist() == [0]


def test_more_may_be_added_after_a_total() -> None:
    copies = Copies()
    assert copies.totals() == DuplicateTotals(0, 0, 0)
    assert copies.copies_of(normalised_hashes(["a dog"])).tolist() == [0]
    copies.add(["a dog", "\ud800", "a dog"])
    assert copies.totals() == DuplicateTotals(3, 1, 1)


def test_hashes_are_the_same_in_any_process() -> None:
    assert normalised_hashes(["a dog"]).dtype == np.uint64
    assert normalised_hashes(["a dog", None]).tolist() == [11501171807684625465, 0]


def test_examples_of_what_is_frequent_stay_among_many_that_are_not() -> None:
    examples = FrequentExamples(capacity=10)
    for start in range(0, 10_000, 100):
        examples.add([(1, "often"), *((start + n, "once") for n in range(100, 108)), (1, "later")])
    assert examples.get(1) == "often"
    assert examples.get(100) is None
    examples.add([(2, "x" * 1000)])
    assert examples.get(2) == "x" * 300


def test_captions_without_a_word_are_compared_as_they_are() -> None:
    assert len(set(normalised_hashes(["!!!", "😀", "😀"]).tolist())) == 2
