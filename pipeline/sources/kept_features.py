"""A run folder whose table keeps CLIP's features, as a source: captions anew, without images.

A shard is a shard of that run and its chunks are that run's, so the rows come out in the same order under the
same ids, and with the same model, seed and decoding as the same captions.
"""

import hashlib
import json
from collections.abc import Collection, Iterator

import pyarrow.parquet as pq

from pipeline.chunk import CHUNK_KEY, Chunk, file_name, parse_file_name
from pipeline.sources.sample import Sample, Shard
from pipeline.storage.errors import UserError
from pipeline.storage.files import locate
from pipeline.storage.folder import Folder
from pipeline.storage.listing import Entry, entries
from pipeline.storage.redact import redacted

COLUMNS = ["image_id", "shard", "index", "metadata", "error", "width", "height", "global", "features"]


def plan_captioned(url: str) -> list[Shard]:
    """The shards of the run in folder `url`. Raises UserError where it is incomplete or keeps no features."""
    run = Folder(url)
    facts = json.loads(run.read("run.json") or b"{}")
    if not facts.get("keep_features"):
        raise UserError(
            f"SOURCE {redacted(url)} is a run whose table keeps no features. Give the images it was made "
            "from, or make it with --keep-features."
        )
    if run.read("_SUCCESS") is None:
        raise UserError(f"SOURCE {redacted(url)} is a run that is not complete. Finish it first.")
    captions = f"{run.url}/captions"
    files: dict[str, list[tuple[int, Entry]]] = {}
    for entry in entries(*locate(captions)):
        if key := parse_file_name(entry.name):
            files.setdefault(key[0], []).append((key[1], entry))
    return [_shard(stem, captions, files[stem]) for stem in sorted(files)]


def _shard(stem: str, captions: str, files: list[tuple[int, Entry]]) -> Shard:
    told = json.dumps(
        [(position, entry.size, entry.state) for position, entry in sorted(files, key=lambda file: file[0])]
    )
    return Shard(
        stem,
        "captioned",
        captions,
        last=str(max(position for position, _ in files)),
        size=sum(entry.size for _, entry in files),
        state=hashlib.sha256(told.encode()).hexdigest()[:32],
    )


def read_captioned(shard: Shard, skip: Collection[int] = ()) -> Iterator[Chunk]:
    """The chunks of one shard, with the columns a chunk has after the features stage. Raises OSError."""
    folder = Folder(shard.url)
    for position in range(int(shard.last) + 1):
        if position in skip:
            continue
        with folder.open(file_name(shard.id, position)) as file:
            table = pq.read_table(file, columns=COLUMNS)
        last = json.loads(table.schema.metadata[CHUNK_KEY])["last"]
        yield Chunk(shard.id, position, last, table.replace_schema_metadata(None))


def captioned_samples(shard: Shard) -> Iterator[Sample]:
    """The ids of one shard's rows, as samples without images. Raises OSError."""
    folder = Folder(shard.url)
    for position in range(int(shard.last) + 1):
        with folder.open(file_name(shard.id, position)) as file:
            ids = pq.read_table(file, columns=["image_id"])["image_id"]
        yield from (Sample(image_id) for image_id in ids.to_pylist())
