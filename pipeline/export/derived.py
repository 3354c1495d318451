"""Columns that a condition may use beside the table's own, of the caption that is exported and its score."""

from collections.abc import Collection, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.export.exported_caption import CAPTIONS, SCORES, exported_captions, exported_scores
from pipeline.quality.duplicates import normalised_hashes
from pipeline.quality.flags import flags_of
from pipeline.quality.hash_counts import HashCounts
from pipeline.quality.words import words_of

DERIVED = pa.schema(
    [
        ("words", pa.int32()),  # as `pipeline.quality` counts them
        ("characters", pa.int32()),
        ("flags", pa.list_(pa.string())),  # what the text tells against it
        ("copies", pa.int64()),  # rows with the same normalised caption, itself among them
        ("first_of_copies", pa.bool_()),  # whether it is the first of these
        ("score_rank", pa.float64()),  # the fraction of captions that score no higher: the best has 1
    ]
)
OF_ALL_ROWS = frozenset({"copies", "first_of_copies", "score_rank"})
"""Those for which the whole table is read once before."""

READS = {name: CAPTIONS | SCORES if name == "score_rank" else CAPTIONS for name in DERIVED.names}
"""The table's columns that each is made of, of those that there are."""


class Derived:
    """Computes the columns `names` of a table's files, one after another. `tables` are those files, read
    once where a column is of all rows: 4 bytes a row are held for scores, and what `HashCounts` says for
    captions.
    """

    def __init__(self, names: Collection[str], tables: Iterable[pa.Table]) -> None:
        self._names = [name for name in DERIVED.names if name in names]
        self._row = 0
        if not OF_ALL_ROWS.intersection(names):
            return
        hashes, scores = [], []
        for table in tables:
            if {"copies", "first_of_copies"}.intersection(names):
                hashes.append(normalised_hashes(exported_captions(table)))
            if "score_rank" in names:
                found = exported_scores(table)
                scores.append(found[~np.isnan(found)])
        self._copies = HashCounts(hashes)
        self._sorted = np.sort(np.concatenate(scores)) if scores else np.empty(0, np.float32)

    def columns(self, table: pa.Table) -> dict[str, pa.Array]:
        """Of the next file; null where there is no caption."""
        texts = exported_captions(table)
        if {"copies", "first_of_copies"}.intersection(self._names):
            hashes = normalised_hashes(texts)
        found: dict[str, pa.Array] = {}
        none = np.array([text is None for text in texts])
        for name in self._names:
            match name:
                case "words":
                    found[name] = pa.array(
                        [None if t is None else len(words_of(t)) for t in texts], pa.int32()
                    )
                case "characters":
                    found[name] = pc.utf8_length(pa.array(texts, pa.string()))
                case "flags":
                    flags = [None if text is None else list(flags_of(text)) for text in texts]
                    found[name] = pa.array(flags, pa.list_(pa.string()))
                case "copies":
                    found[name] = pa.array(self._copies.of(hashes), mask=none)
                case "first_of_copies":
                    rows = np.arange(self._row, self._row + len(table))
                    found[name] = pa.array(self._copies.first_of(hashes) == rows, mask=none)
                case "score_rank":
                    scores = exported_scores(table)
                    rank = np.searchsorted(self._sorted, scores, "right") / max(1, len(self._sorted))
                    found[name] = pa.array(rank, mask=np.isnan(scores))
        self._row += len(table)
        return found
