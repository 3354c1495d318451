"""The captions that come with an image, in its metadata: where they are is told as for training captions."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import pyarrow as pa

from pipeline.texts.clean import Reason, clean
from pipeline.texts.config import TextConfig
from pipeline.texts.found import captions_in
from pipeline.texts.records import record_captions

NO_CAPTION = "no caption comes with this image"
"""The `error` of a row without one: it is passed over, and counted apart from errors."""

OWN_CAPTION = "caption"
"""The field that the captions of a run are put into, in place of any that the sample had there."""

MOST = 20  # captions of one image
_BEYOND = f"beyond {MOST} per image"
_LONGEST = TextConfig().max_characters
_LINES = "txt"  # a member with a caption on each line
_NAMES = 20


class ImageCaptions(NamedTuple):
    """Distinct clean texts, and how many were dropped why."""

    texts: list[str]
    dropped: Counter[str]


def captions_of(metadata: str | None, fields: Sequence[str] = ()) -> ImageCaptions:
    """The captions in the fields of these names, or by default in the best of those known to hold captions
    (`pipeline/texts/columns.py`): a text or a list of texts, or of objects with a text in `raw`.
    """
    record = _record(metadata)
    texts: dict[str, None] = {}
    dropped = Counter[str]()
    for text in chain.from_iterable(_texts(record, field) for field in fields or (None,)):
        cleaned, reason = clean(text, _LONGEST) if text is not None else ("", Reason.EMPTY)
        if reason is None and cleaned in texts:
            reason = Reason.DUPLICATE
        if reason is not None:
            dropped[reason.value] += 1
        elif len(texts) == MOST:
            dropped[_BEYOND] += 1
        else:
            texts[cleaned] = None
    return ImageCaptions(list(texts), dropped)


def field_names(metadata: Iterable[str | None]) -> list[str]:
    """The names of the fields that these samples have, a few in order."""
    return sorted({name for text in metadata for name in _record(text)})[:_NAMES]


def with_captions(samples: pa.Table, fields: Sequence[str] = ()) -> pa.Table:
    """A source's samples with the column `captions`. A row without any has the error NO_CAPTION."""
    texts = [captions_of(metadata, fields).texts for metadata in samples["metadata"].to_pylist()]
    errors = [
        error or (None if found else NO_CAPTION)
        for error, found in zip(samples["error"].to_pylist(), texts, strict=True)
    ]
    place = samples.column_names.index("error")
    return samples.set_column(place, "error", pa.array(errors, pa.string())).append_column(
        "captions", pa.array(texts, pa.list_(pa.string()))
    )


def with_own_captions(samples: pa.Table, captions: dict[str, str]) -> pa.Table:
    """Samples whose metadata has the caption that a run wrote for their image id, in OWN_CAPTION."""
    metadata = [
        json.dumps({**_record(text), OWN_CAPTION: captions.get(image_id)})
        for image_id, text in zip(
            samples["image_id"].to_pylist(), samples["metadata"].to_pylist(), strict=True
        )
    ]
    place = samples.column_names.index("metadata")
    return samples.set_column(place, "metadata", pa.array(metadata, pa.large_string()))


def _texts(record: dict[str, Any], field: str | None) -> list[str | None]:
    found = list(record_captions(record, 0, field, lambda told: None) or ())
    lines = record.get(_LINES)
    if isinstance(lines, str) and [caption.text for caption in found] == [lines]:
        found = list(captions_in(lines.strip().splitlines(), 0))
    return [caption.text for caption in found]


def _record(metadata: str | None) -> dict[str, Any]:
    try:
        record = json.loads(metadata or "{}")
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
