"""Which words captions use, and how often: counted by Arrow, a file of the table at a time."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_MOST = 1_000_000  # words held; real vocabularies have fewer
_LONGEST = 40  # letters of a word
FUNCTION_WORDS = frozenset(
    (
        *("a", "an", "the", "and", "or", "but", "as", "of", "on", "in", "at", "to", "from", "with", "by"),
        *("for", "is", "are", "was", "were", "be", "it", "its", "this", "that", "there"),
        *("into", "onto", "over", "under", "near", "next", "behind", "front", "above", "below"),
    )
)
"""Words of English that say little of an image: counted, and not shown among the most frequent."""


class WordCounts:
    """Letters and digits are words, in small letters. Beyond a million different ones the rarest are
    dropped, and `dropped` says so.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.dropped = False

    def add(self, captions: pa.Array) -> None:
        """Captions, nulls among them."""
        words = pc.list_flatten(pc.split_pattern_regex(pc.utf8_lower(captions), r"[^\p{L}\p{N}\p{M}']+"))
        words = pc.utf8_slice_codeunits(pc.utf8_trim(words, "'"), 0, _LONGEST)
        for entry in pc.value_counts(words.drop_null()):
            if word := entry["values"].as_py():
                self.counts[word] += entry["counts"].as_py()
        if len(self.counts) > _MOST:
            self.counts = Counter(dict(self.counts.most_common(_MOST // 2)))
            self.dropped = True

    def most_frequent(self, count: int) -> list[tuple[str, int]]:
        """Without function words."""
        frequent = self.counts.most_common(count + len(FUNCTION_WORDS))
        return [(word, number) for word, number in frequent if word not in FUNCTION_WORDS][:count]


def words_per_caption(captions: pa.Array) -> NDArray[np.float64]:
    """Words by white space; NaN for a null."""
    pieces = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(captions))
    lengths = pc.list_value_length(pieces)
    is_empty = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(captions)), 0)
    return as_floats(pc.if_else(is_empty, 0, lengths))


def as_floats(numbers: pa.Array) -> NDArray[np.float64]:
    """An Arrow column as numpy has it, NaN for a null."""
    return np.asarray(numbers.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
