"""The rows that the page shows, in full."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.inspect.examples import reference
from pipeline.quality.duplicates import normalised_hashes
from pipeline.report.lowest_keys import Place
from pipeline.report.numbers import Numbers, caption_flags, logprob_per_word
from pipeline.report.word_counts import words_per_caption
from pipeline.storage.folder import Folder

_COLUMNS = (
    *("image_id", "shard", "index", "width", "height", "caption", "clip_score", "candidates", "answers"),
    *("original_caption", "original_clip_score", "error", "metadata", "flags", "scores"),
    "region_captions",
)


@dataclass
class ShownRow:
    """A row of the table; `image` is its thumbnail's path in the report, `looked` where CLIP looked."""

    fields: dict[str, Any]
    flags: list[str]
    logprob: float | None
    copies: int = 0
    image: str | None = None
    looked: dict[str, Any] | None = None

    @property
    def reference(self) -> str | None:
        return reference(self.fields.get("metadata"))


def places_shown(numbers: Numbers) -> list[Place]:
    """Of the random sample, and then of rows that are shown for a reason of their own; each once."""
    places = [*numbers.sample.places, *numbers.some_errors.places]
    for extreme in numbers.extremes.values():
        places += extreme.places
    return list(dict.fromkeys(places))


def read_rows(captions: Folder, numbers: Numbers, places: Sequence[Place]) -> dict[Place, ShownRow]:
    """The rows at these places, in their order. One whose file was rewritten since with fewer rows, or
    is no longer there, is left out.
    """
    wanted = defaultdict[int, list[int]](list)
    for place in places:
        wanted[place.file].append(place.row)
    found: dict[Place, ShownRow] = {}
    for number, rows in sorted(wanted.items()):
        try:
            with captions.open(numbers.files[number]) as opened:
                file = pq.ParquetFile(opened)
                table = file.read(columns=[name for name in _COLUMNS if name in file.schema_arrow.names])
        except (OSError, ValueError, pa.ArrowException):
            continue
        rows = [row for row in rows if row < table.num_rows]
        shown = _shown_rows(table.take(rows), numbers)
        found |= {Place(number, row): row_ for row, row_ in zip(rows, shown, strict=True)}
    return {place: found[place] for place in places if place in found}


def _shown_rows(table: pa.Table, numbers: Numbers) -> list[ShownRow]:
    rows = table.to_pylist()
    if "caption" not in table.column_names:
        return [ShownRow(row, [], None) for row in rows]
    captions = pa.array(table["caption"].to_pylist(), pa.string())
    logprobs = logprob_per_word(table, words_per_caption(captions)).tolist()
    copies = numbers.copies.copies_of(normalised_hashes(captions.to_pylist())).tolist()
    return [
        ShownRow(row, flags, logprob if np.isfinite(logprob) else None, count)
        for row, flags, logprob, count in zip(rows, caption_flags(table), logprobs, copies, strict=True)
    ]
