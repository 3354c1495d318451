"""The columns of data sets that trainers of image-text models know; what a run has not is null.

Names and types are those of the published files: UCSC-VLAA/Recap-DataComp-1B, and laion/laion-coco.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.export.format import Example
from pipeline.export.options import ColumnNames
from pipeline.sources.metadata import fields_of

_URL_FIELDS = ("url", "URL", "image_url", "coco_url", "flickr_url")


@dataclass(frozen=True)
class KnownColumns:
    """A data set's schema, and an example as a row of it."""

    schema: pa.Schema
    row: Callable[[Example], dict[str, Any]]


def url_of(image_id: str, metadata: dict[str, Any]) -> str | None:
    """The image's web address: the sample's own field, or that with which its id ends."""
    own = next((metadata[name] for name in _URL_FIELDS if isinstance(metadata.get(name), str)), None)
    at = re.search("https?://", image_id)  # the first: an archive's address has another in it
    return own or (image_id[at.start() :] if at else None)


_RECAP = pa.schema(
    [
        ("url", pa.string()),
        ("re_caption", pa.string()),
        ("org_caption", pa.string()),
        ("sha256", pa.string()),
        ("key", pa.string()),
        ("re_clip_score", pa.float64()),
        ("org_clip_score", pa.float64()),
        ("re_length", pa.int64()),
        ("org_length", pa.int64()),
        ("re_gpt4v_score", pa.int64()),
        ("org_gpt4v_score", pa.int64()),
    ]
)


def _recap(example: Example) -> dict[str, Any]:
    """Lengths are in words. `re_` is what the run made, also where the image's own caption is exported."""
    fields, metadata = example.fields, fields_of(example.fields.get("metadata"))
    made, own = example.made_caption, fields.get("original_caption")
    return {
        "url": url_of(example.image_id, metadata),
        "re_caption": made,
        "org_caption": own,
        "sha256": fields.get("sha256") or _text(metadata.get("sha256")),
        "key": _text(metadata.get("key")) or example.image_id,
        "re_clip_score": fields.get("clip_score"),
        "org_clip_score": fields.get("original_clip_score"),
        "re_length": None if made is None else len(made.split()),
        "org_length": None if own is None else len(own.split()),
    }


_LAION_COCO = pa.schema(
    [
        ("URL", pa.string()),
        ("TEXT", pa.string()),
        ("top_caption", pa.string()),
        ("all_captions", pa.list_(pa.string())),
        ("all_similarities", pa.list_(pa.float64())),
        ("WIDTH", pa.int64()),
        ("HEIGHT", pa.int64()),
        ("similarity", pa.float64()),
        ("hash", pa.int64()),
        ("pwatermark", pa.float64()),
        ("punsafe", pa.float64()),
    ]
)


def _laion_coco(example: Example) -> dict[str, Any]:
    """`similarity` is that of TEXT, the image's own caption; candidates stand by theirs, the one that became
    the caption first.
    """
    fields, metadata = example.fields, fields_of(example.fields.get("metadata"))
    top = example.made_caption
    candidates = sorted(
        fields.get("candidates") or (), key=lambda one: (one["text"] != top, -(one["clip_score"] or 0))
    )
    return {
        "URL": url_of(example.image_id, metadata),
        "TEXT": fields.get("original_caption"),
        "top_caption": top,
        "all_captions": [one["text"] for one in candidates],
        "all_similarities": [one["clip_score"] for one in candidates],
        "WIDTH": fields.get("width"),
        "HEIGHT": fields.get("height"),
        "similarity": fields.get("original_clip_score"),
        **{name: _number(metadata.get(name)) for name in ("pwatermark", "punsafe")},
    }


COLUMN_NAMES: dict[ColumnNames, KnownColumns] = {
    "recap": KnownColumns(_RECAP, _recap),
    "laion-coco": KnownColumns(_LAION_COCO, _laion_coco),
}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
