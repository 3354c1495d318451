"""The rows of the gallery as the page's script reads them; nothing is longer than a page can bear."""

import math
from collections.abc import Sequence
from typing import Any

from pipeline.report.chosen_rows import ShownRow

_LONGEST, _LONGEST_NAME, _MOST = 2000, 300, 64  # characters of a text, of a name; entries of a list


def gallery_json(rows: Sequence[ShownRow], random_rows: int) -> list[dict[str, Any]]:
    """The first `random_rows` are the random sample; what a row does not have is left out."""
    return [_without_nothing(row, number < random_rows) for number, row in enumerate(rows)]


def _without_nothing(row: ShownRow, is_random: bool) -> dict[str, Any]:
    entry = _entry(row, is_random)
    return {key: value for key, value in entry.items() if value not in (None, [], {}, False)}


def _entry(row: ShownRow, is_random: bool) -> dict[str, Any]:
    fields = row.fields
    return {
        "id": _text(fields["image_id"], _LONGEST_NAME),
        "shard": _text(fields.get("shard"), _LONGEST_NAME),
        "index": fields.get("index"),
        "width": fields.get("width"),
        "height": fields.get("height"),
        "random": is_random,
        "image": row.image,
        "looked": row.looked,
        "caption": _text(fields.get("caption")),
        "score": _number(fields.get("clip_score")),
        "logprob": _number(row.logprob),
        "flags": row.flags,
        "copies": row.copies if row.copies > 1 else None,
        "error": _text(fields.get("error")),
        "original": _text(fields.get("original_caption")),
        "original_score": _number(fields.get("original_clip_score")),
        "reference": _text(row.reference),
        "scores": {
            _text(name, _LONGEST_NAME): _number(value)
            for name, value in dict(fields.get("scores") or {}).items()
        },
        "candidates": [
            [_text(candidate["text"]), _number(candidate["clip_score"]), _number(candidate["logprob"])]
            for candidate in (fields.get("candidates") or ())[:_MOST]
        ],
        "answers": [
            [_text(answer["question"]), _text(answer["answer"]), _number(answer["logprob"])]
            for answer in (fields.get("answers") or ())[:_MOST]
        ],
        "regions": [
            [_text(region["text"]), _number(region["score"]), list(map(_number, region["box"]))]
            for region in (fields.get("region_captions") or ())[:_MOST]
        ],
    }


def _text(text: str | None, longest: int = _LONGEST) -> str | None:
    return text if text is None or len(text) <= longest else text[: longest - 1] + "…"


def _number(value: float | None) -> float | None:
    """JSON has no infinities."""
    return None if value is None or not math.isfinite(value) else round(value, 4)
