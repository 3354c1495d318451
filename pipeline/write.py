"""The sink: one Parquet file a chunk, there whole or not at all, and a receipt.

The file's name comes from the shard and position alone and its bytes from its content alone, so a task that
is retried, or runs twice, rewrites the same file with the same content. The footer carries what a resume
needs to know: rows, errors, and whether the chunk is the last of its shard; and for `pipeline.verify` a
digest of the rows.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.chunk import CAPTION_SCHEMA, Chunk
from pipeline.storage import Folder

RUN_KEY = b"maccap.run"
CHUNK_KEY = b"maccap.chunk"


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
    metadata.
    """

    def __init__(self, folder: str, facts: Mapping[str, Any]) -> None:
        self.folder = Folder(folder)
        self.facts = json.dumps(facts, sort_keys=True).encode()

    def __call__(self, chunk: Chunk) -> Receipt:
        start = time.perf_counter()
        data = file_content(chunk.samples, self.facts, chunk.position, chunk.last)
        self.folder.write(chunk.file_name, data)
        return Receipt(
            chunk.shard,
            chunk.position,
            chunk.last,
            chunk.samples.num_rows,
            count_errors(chunk.samples),
            data.size,
            time.perf_counter() - start,
        )


def file_content(samples: pa.Table, run: bytes, position: int, last: bool) -> pa.Buffer:
    """A chunk's Parquet file: the same bytes for the same rows, from any pyarrow of one version."""
    table = samples.select(CAPTION_SCHEMA.names).cast(CAPTION_SCHEMA).combine_chunks()
    footer = {
        "position": position,
        "last": last,
        "errors": count_errors(table),
        "digest": content_digest(table),
    }
    table = table.replace_schema_metadata(
        {RUN_KEY: run, CHUNK_KEY: json.dumps(footer, sort_keys=True).encode()}
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def content_digest(table: pa.Table) -> str:
    """SHA-256 of the rows as JSON lines: of what a reader sees, whatever version wrote or reads it."""
    digest = hashlib.sha256()
    for row in table.to_pylist():
        digest.update(json.dumps(row).encode() + b"\n")
    return digest.hexdigest()


def count_errors(samples: pa.Table) -> int:
    return samples.num_rows - samples["error"].null_count


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
