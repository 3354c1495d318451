"""Which caption of a row is exported: the run's or, where that made none, the image's own."""

import pyarrow as pa

CAPTIONS = frozenset({"caption", "original_caption"})
"""The columns that it is chosen of."""


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
