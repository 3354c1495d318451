"""A few rows of a run with their images, for a person to look at.

The rows are random, but the same for the same run and seed. Images are not in the run folder: they are read
again from the run's source, by shard and index.
"""

import json
import random
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

from pipeline.inspect.caption_table import read_captions
from pipeline.run.run_folder import existing_run
from pipeline.sources import ChunkLimits, Shard, SourceOptions, chunk_samples, plan_source, read_shard
from pipeline.storage.errors import CredentialsError
from pipeline.storage.redact import printable

_COLUMNS = ("image_id", "shard", "index", "caption", "error", "metadata")


@dataclass(frozen=True)
class Example:
    """One row of the caption table; `reference` is a caption that the sample itself came with."""

    image_id: str
    shard: str
    index: int
    caption: str | None
    error: str | None
    reference: str | None


def pick_examples(run: str, count: int, seed: int = 0) -> list[Example]:
    """`count` rows of the run (all, if it has fewer) in random order. Raises UserError."""
    total = sum(table.num_rows for table in read_captions(run, ["index"]))
    chosen = random.Random(seed).sample(range(total), min(count, total))
    found: dict[int, Example] = {}
    start = 0
    ascending = sorted(chosen)
    for table in read_captions(run, _COLUMNS):
        end = start + table.num_rows
        for row in ascending[bisect_left(ascending, start) : bisect_left(ascending, end)]:
            found[row] = _example(table.slice(row - start, 1).to_pylist()[0])
        start = end
    return [found[row] for row in chosen]


def load_images(run: str, examples: list[Example]) -> dict[str, bytes]:
    """The examples' image bytes by image id, from the source that `run.json` names.

    An image that is no longer there is left out. Raises UserError where the run or its source is gone.
    """
    rows = source_rows(run, examples)
    return {
        image_id: image for image_id, row in rows.items() if (image := row["image"][0].as_py()) is not None
    }


def source_rows(run: str, examples: list[Example]) -> dict[str, pa.Table]:
    """The examples as their source gives them now, each a table of one row as stages take them, by image id.

    One that is no longer in its place is left out. Raises UserError where the run or its source is gone.
    """
    _, facts = existing_run(run)
    wanted: dict[str, dict[int, str]] = defaultdict(dict)
    for example in examples:
        wanted[example.shard][example.index] = example.image_id
    rows: dict[str, pa.Table] = {}
    for shard in plan_source(facts.source, SourceOptions.of(facts)).shards:
        if ids := wanted.get(printable(shard.id)):
            rows |= _rows_of(shard, ids, ChunkLimits(max_bytes=facts.max_bytes))
    return rows


def reference(metadata: str | None) -> str | None:
    """A caption among a sample's metadata: the first of `captions`, or `caption`, or its text member."""
    try:
        fields = json.loads(metadata or "")
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    captions = fields.get("captions")
    first = captions[0] if isinstance(captions, list) and captions else None
    options = (first, fields.get("caption"), fields.get("txt"))
    return next((text for text in options if isinstance(text, str) and text), None)


def _example(row: dict[str, Any]) -> Example:
    return Example(reference=reference(row.pop("metadata")), **row)


def _rows_of(shard: Shard, ids: dict[int, str], limits: ChunkLimits) -> dict[str, pa.Table]:
    """By image id; one that is another image than it was is left out."""
    rows = {}
    try:
        for index, sample in enumerate(islice(read_shard(shard, limits.max_bytes), max(ids) + 1)):
            if ids.get(index) == printable(sample.image_id):
                (chunk,) = chunk_samples(shard.id, iter([sample]), limits)
                rows[ids[index]] = chunk.samples
    except CredentialsError:
        raise
    except Exception:  # decompressors and storages have no common class: it ends here as it did in the run
        return rows
    return rows
