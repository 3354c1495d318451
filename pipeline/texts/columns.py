"""Which column of a table, or field of a record, holds the captions."""

from collections.abc import Sequence

from pipeline.storage.redact import printable
from pipeline.texts.found import NoCaptionsError

KNOWN = (
    *("captions", "caption", "top_caption", "caption_str", "caption_reference_description"),
    *("sentences", "sentence", "text", "texts", "txt", "comment", "description", "raw", "alt_text", "alt"),
    *("blip_caption", "prompt", "title"),
)
"""Names that datasets give the column, the best first; in any case, with spaces or dashes for `_`."""

IMAGE_NAMES = ("image_id", "image", "image_name", "file_name", "filename", "filepath", "image_path", "img")
"""Names that datasets give what tells an image from others, the best first."""

_COLUMNS_SHOWN = 20


def caption_column(names: Sequence[str], wanted: str | None) -> int | None:
    """The position of the column `wanted`, or of the best of the `KNOWN` ones; None where there is none."""
    if wanted is not None:
        stripped = [name.strip() for name in names]
        return next((some.index(wanted) for some in (names, stripped) if wanted in some), None)
    known = [normal(name) for name in names]
    return next((known.index(name) for name in KNOWN if name in known), None)


def image_name(value: object) -> str | int | None:
    """What tells an image from others, as a file holds it: a name, or a number, of which pandas makes 1.0."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or not isinstance(value, int | float) or not float(value).is_integer():
        return None
    return int(value)


def normal(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def inferred(name: str) -> bool:
    """Whether it is worth a word that captions were taken from this column."""
    return normal(name) not in ("caption", "captions")


def missing_column(file: str, wanted: str | None, columns: Sequence[str], hint: str = "") -> NoCaptionsError:
    """The error for a file whose columns do not include the one with the captions."""
    shown = ", ".join(printable(name)[:40] for name in columns[:_COLUMNS_SHOWN])
    more = ", ..." if len(columns) > _COLUMNS_SHOWN else ""
    what = f"has no column `{wanted}`" if wanted else "has no column that is known to hold captions"
    return NoCaptionsError(
        "tables whose caption column only --column can tell",
        f"{file} {what}. Name the one with the captions with --column: {shown}{more}.{hint}",
    )
