"""The images whose caption scores low, for a larger model to look at: a list, beside the export."""

import json
from typing import Any

import numpy as np

from pipeline.chunk import parse_file_name
from pipeline.export.column_names import url_of
from pipeline.export.run_table import RunTable
from pipeline.export.whole_file import whole_file
from pipeline.sources import Shard
from pipeline.sources.folder import ImageFolder
from pipeline.sources.metadata import fields_of
from pipeline.storage.redact import shown

SECOND_LOOK = "second_look/below.jsonl"
_COLUMNS = ("image_id", "shard", "index", "caption", "clip_score", "metadata")


def write_second_look(table: RunTable, below: float, output: str) -> int:
    """List every caption that scores lower than `below`, whatever else is exported; returns how many.
    `url` is where the image lies: its own, or that of the shard that holds it, at `index`.
    """
    listed = 0
    with whole_file(f"{output}/{SECOND_LOOK}") as file:
        for name in table.names:
            key = parse_file_name(name)
            shard = table.shards.get(key[0]) if key else None
            rows = table.files.read(name, _COLUMNS)
            scores = rows["clip_score"].to_numpy(zero_copy_only=False)
            low = scores < scores.dtype.type(below)  # as exact as scores are, and so as --where compares
            for row in rows.take(np.flatnonzero(low)).to_pylist():
                file.write(json.dumps(_entry(row, shard)).encode() + b"\n")
                listed += 1
    return listed


def _entry(row: dict[str, Any], shard: Shard | None) -> dict[str, Any]:
    url = url_of(row["image_id"], fields_of(row.pop("metadata")))
    if url is None and shard is not None:
        is_file = shard.source == ImageFolder.name
        url = f"{shown(shard.url).rstrip('/')}/{row['image_id']}" if is_file else shown(shard.url)
    return {**row, "url": url}
