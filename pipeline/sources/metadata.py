"""A sample's own fields as JSON, whatever is in them: what cannot be told is null, with a note why."""

import json
import math
from typing import Any

import pyarrow as pa

from pipeline.storage.redact import printable

NOTES = "maccap_notes"
"""The key of a row's metadata under which fields that are null have the reason, by name."""


def metadata_json(
    fields: dict[str, Any], notes: dict[str, str] | None = None, at_most: int | None = None
) -> str | None:
    """`fields` as valid JSON, None if there are none. NaN and infinities become null. JSON of more than
    `at_most` bytes is replaced by a note.
    """
    whole = {**fields, NOTES: notes} if notes else fields
    if not whole:
        return None
    try:
        text = json.dumps(whole, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(whole), ensure_ascii=False, default=str, allow_nan=False)
    if at_most is not None and (size := byte_length(text)) > at_most:
        return metadata_json({}, {"": f"the metadata has {size} bytes, more than the limit (max_bytes)"})
    return printable(text)


def fields_of(metadata: str | None) -> dict[str, Any]:
    """The fields of a row's metadata; none for what is no object, or nested too deeply to be read."""
    try:
        fields = json.loads(metadata) if metadata else None
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def told_values(column: pa.Array) -> tuple[list[Any], dict[int, str]]:
    """The values of a column for JSON, and by row why one is None that is not null."""
    if isinstance(column, pa.ExtensionArray) and column.type.extension_name != "arrow.uuid":
        column = column.storage  # a registered type's own code is not run on what a file holds
    try:
        return column.to_pylist(), {}
    except Exception:  # one cell of any type may be beyond what Python holds, each in its own way
        return _cell_by_cell(column)


def byte_length(text: str | None) -> int:
    if text is None:
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _cell_by_cell(column: pa.Array) -> tuple[list[Any], dict[int, str]]:
    values: list[Any] = []
    notes: dict[int, str] = {}
    for row in range(len(column)):
        try:
            values.append(column[row].as_py())
        except Exception as error:  # as above
            values.append(None)
            bad_text = isinstance(error, UnicodeDecodeError)
            notes[row] = "not UTF-8" if bad_text else f"not a {str(column.type)[:60]} that can be told"
    return values, notes


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
