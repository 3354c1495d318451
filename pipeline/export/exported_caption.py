"""Which caption of a row is exported: the run's or, where that made none, the image's own."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

CAPTIONS = frozenset({"caption", "original_caption"})
"""The columns that it is chosen of."""
SCORES = frozenset({"clip_score", "original_clip_score"})
"""Those of their scores."""


def exported_caption(caption: str | None, original: str | None) -> str | None:
    """The first of both that is not blank; else `caption` as it is."""
    return next((text for text in (caption, original) if text and text.strip()), caption)


def exported_captions(rows: pa.Table) -> list[str | None]:
    """Of each row, None for one with an error. A table may lack either column."""
    none = [None] * len(rows)
    made, own, errors = (
        rows[name].to_pylist() if name in rows.column_names else none
        for name in ("caption", "original_caption", "error")
    )
    return [
        None if error is not None else exported_caption(*texts)
        for *texts, error in zip(made, own, errors, strict=True)
    ]


def exported_scores(rows: pa.Table) -> NDArray[np.float32]:
    """Of each row, the score of the caption that is exported, NaN where it has none. A table may lack any
    column.
    """
    made = rows["caption"].to_pylist() if "caption" in rows.column_names else [None] * len(rows)
    is_own = [text != one for text, one in zip(exported_captions(rows), made, strict=True)]
    return np.where(
        np.array(is_own, np.bool_), _floats(rows, "original_clip_score"), _floats(rows, "clip_score")
    )


def _floats(rows: pa.Table, name: str) -> NDArray[np.float32]:
    if name not in rows.column_names:
        return np.full(len(rows), np.nan, np.float32)
    return np.asarray(rows[name].to_numpy(zero_copy_only=False), np.float32)
