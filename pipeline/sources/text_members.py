"""The texts that come with an image, as its row's metadata."""

import json
from collections.abc import Mapping
from typing import Any

from pipeline.sources.metadata import NOTES
from pipeline.storage.redact import printable

MAX_TEXT = 4 << 20  # bytes of a text or JSON: parsed, JSON may take twenty times its size


def metadata_of(texts: Mapping[str, bytes], notes: Mapping[str, str]) -> str | None:
    """One JSON object of all `texts`, by extension; None where there are none.

    The one of extension `json` stays as it is, NaN and doubled keys included, if it is an object; others are
    put in front of it under their extension, unless that key is taken. `notes` say why a text is missing.
    """
    fields: dict[str, Any] = {name: _parsed(name, text) for name, text in texts.items() if name != "json"}
    if notes:
        fields[NOTES] = dict(notes)
    if "json" not in texts:
        return as_json(fields) if fields else None
    text = texts["json"].decode("utf-8-sig", "replace")
    try:
        own = json.loads(text)
    except (ValueError, RecursionError):
        return as_json({**fields, "json": text})
    if not isinstance(own, dict):
        return as_json({**fields, "json": own})
    new = {name: value for name, value in fields.items() if name not in own}
    if not new or not own:
        return as_json(new) if new else text
    return f"{as_json(new)[:-1]}, {text.strip()[1:]}"


def as_json(value: Mapping[str, Any]) -> str:
    # a lone surrogate, which JSON allows and UTF-8 does not, goes back to the \uXXXX it came from
    return printable(json.dumps(value, ensure_ascii=False))


def _parsed(name: str, content: bytes) -> Any:
    text = content.decode("utf-8-sig", "replace")
    if not name.endswith("json"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
