"""The sink: one Parquet file a chunk, there whole or not at all, and a receipt.

The file's name comes from the shard and position alone and its bytes from its content alone, so a task that
is retried, or runs twice, rewrites the same file with the same content. The footer carries what a resume
needs to know: rows, errors, and whether the chunk is the last of its shard.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.chunk import CAPTION_SCHEMA, CHUNK_KEY, RUN_KEY, Chunk
from pipeline.storage import Folder, writing

FEATURES = ("global", "features")
"""Columns of the features stage, kept on demand: global [D] and the regions' features [N * D], float16; zeros
where the row has an error."""


@dataclass(frozen=True)
class Receipt:
    """What the sink answers to a chunk; `seconds` is the time the writing took."""

    shard: str
    position: int
    last: bool
    rows: int
    errors: int
    bytes: int
    seconds: float

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Receipt":
        return cls(**json.loads(text))


class CaptionWriter:
    """Writes chunks to `folder`. `facts` (model fingerprint, settings, seed, version) go into each file's
    metadata. Raises RunError, with what to mend, where the storage does not take a file.
    """

    def __init__(self, folder: str, facts: Mapping[str, Any], keep_features: bool = False) -> None:
        self.folder = Folder(folder)
        self.keep_features = keep_features
        self.facts = json.dumps(facts, sort_keys=True).encode()

    def __call__(self, chunk: Chunk) -> Receipt:
        start = time.perf_counter()
        samples = chunk.samples
        errors = samples.num_rows - samples["error"].null_count
        footer = {"position": chunk.position, "last": chunk.last, "errors": errors}
        table = samples.select(CAPTION_SCHEMA.names).cast(CAPTION_SCHEMA)
        for name in FEATURES if self.keep_features else ():
            table = table.append_column(name, samples[name])
        table = table.combine_chunks()
        table = table.replace_schema_metadata(
            {RUN_KEY: self.facts, CHUNK_KEY: json.dumps(footer, sort_keys=True).encode()}
        )
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        data = sink.getvalue()
        with writing(self.folder.url):
            self.folder.write(chunk.file_name, data)
        return Receipt(
            chunk.shard,
            chunk.position,
            chunk.last,
            samples.num_rows,
            errors,
            data.size,
            time.perf_counter() - start,
        )


@dataclass(frozen=True)
class ChunkFooter:
    """What the footer of a written chunk says."""

    rows: int
    errors: int
    last: bool


def read_footer(folder: Folder, name: str) -> ChunkFooter | None:
    """The footer of one written chunk, or None for a damaged file (it will be rewritten)."""
    try:
        with folder.open(name) as file:
            metadata = pq.read_metadata(file)
        chunk = json.loads(metadata.metadata[CHUNK_KEY])
        return ChunkFooter(metadata.num_rows, chunk["errors"], chunk["last"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
