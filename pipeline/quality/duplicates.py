"""Captions that are there more than once, word for word or nearly, counted in bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.quality.frequent import FrequentExamples
from pipeline.quality.hash_counts import HashCounts, Hashes, text_hashes
from pipeline.quality.words import words_of

_ARTICLES = frozenset(("a", "an", "the"))


def normalised(caption: str) -> str:
    """What near-duplicates share: the words but articles, in lower case and sorted. "A dog and a cat." and
    "the cat and dog" are near-duplicates, and so are "dog bites man" and "man bites dog".
    """
    words = (word.casefold().replace("’", "'") for word in words_of(caption))
    return " ".join(sorted(word for word in words if word not in _ARTICLES))


def normalised_hashes(captions: Sequence[str | None]) -> Hashes:
    """What `Copies.copies_of` looks up. A caption without words, such as "!!!", stands for itself."""
    return text_hashes(None if caption is None else normalised(caption) or caption for caption in captions)


@dataclass(frozen=True)
class DuplicateTotals:
    """Of `rows` with a caption, those that equal an earlier one: `exact` to the letter, `near` normalised."""

    rows: int
    exact: int
    near: int


@dataclass(frozen=True)
class Group:
    """`count` rows that are near-duplicates; `example` is the first, unless too many came in between."""

    count: int
    example: str | None


class Copies:
    """Takes all captions, file by file, and then tells which are there more than once.

    Holds 16 bytes a row, and some thousand examples; a total takes what `HashCounts` says.
    """

    def __init__(self) -> None:
        self._exact: list[Hashes] = []
        self._near: list[Hashes] = []
        self._examples = FrequentExamples()
        self._counted: HashCounts | None = None

    def add(self, captions: Sequence[str | None]) -> None:
        """None, for a row without a caption, counts for the numbers of rows alone."""
        near = normalised_hashes(captions)
        self._exact.append(text_hashes(captions))
        self._near.append(near)
        pairs = zip(near.tolist(), captions, strict=True)
        self._examples.add((hash_, caption) for hash_, caption in pairs if caption is not None)
        self._counted = None

    def totals(self) -> DuplicateTotals:
        near = self._counts()
        return DuplicateTotals(near.rows, HashCounts(self._exact).copies, near.copies)

    def largest(self, number: int = 20) -> list[Group]:
        """The largest groups of near-duplicates, the largest first."""
        most_frequent = self._counts().most_frequent(number)
        return [Group(count, self._examples.get(hash_)) for hash_, count in most_frequent]

    def copies_of(self, hashes: Hashes) -> NDArray[np.int64]:
        """How many rows are near-duplicates of each row of these `normalised_hashes`, itself among them."""
        return self._counts().of(hashes)

    def _counts(self) -> HashCounts:
        if self._counted is None:
            self._counted = HashCounts(self._near)
        return self._counted
