"""The sink: one Parquet file a chunk, there whole or not at all, and a result.

The file's name comes from the shard and position alone and its bytes from its content alone, so a task that
is retried, or runs twice, rewrites the same file with the same content. The footer carries what a resume
needs to know: rows, errors, and whether the chunk is the last of its shard; and for `pipeline.verify` a
digest of the rows.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.chunk import CHUNK_KEY, DECODERS_KEY, RUN_KEY, TABLE_STARTS_WITH, Chunk
from pipeline.formats.array_columns import half_column, is_half, read_half
from pipeline.stages.measured import Measured, Stopwatch, measured_of
from pipeline.storage.folder import Folder, reading, writing


@dataclass(frozen=True)
class WriteResult:
    """What the sink answers to a chunk; `seconds` is the time the writing took, `measured` what was of all
    stages, this one included.
    """

    shard: str
    position: int
    last: bool
    rows: int
    errors: int
    bytes: int
    seconds: float
    measured: Measured = field(default_factory=Measured)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "WriteResult":
        values = json.loads(text)
        return cls(**{**values, "measured": Measured(**values["measured"])})


class CaptionWriter:
    """Writes chunks as tables of `schema` to `folder`. `facts` (model fingerprint, settings, seed, version)
    go into each file's metadata. Raises RunError, with what to fix, where the storage does not take a file.
    """

    def __init__(self, folder: str, facts: Mapping[str, Any], schema: pa.Schema) -> None:
        self.folder = Folder(folder)
        self.schema = schema
        self.facts = json.dumps(facts, sort_keys=True).encode()

    def __call__(self, chunk: Chunk) -> WriteResult:
        watch = Stopwatch()
        data = file_content(chunk.samples, self.facts, chunk.position, chunk.last, self.schema)
        with writing(self.folder.url):
            self.folder.write(chunk.file_name, data)
        written = watch.stop("write")
        return WriteResult(
            chunk.shard,
            chunk.position,
            chunk.last,
            chunk.samples.num_rows,
            count_errors(chunk.samples),
            data.size,
            written.seconds["write"],
            measured_of(chunk.samples) + Measured.of_rows(chunk.samples) + written,
        )


def file_content(samples: pa.Table, run: bytes, position: int, last: bool, schema: pa.Schema) -> pa.Buffer:
    """A chunk's Parquet file: the same bytes for the same rows, from any pyarrow of one version. A list type
    of `schema` without a size stands for lists of the size that the samples have.
    """
    decoders = json.loads((samples.schema.metadata or {}).get(DECODERS_KEY, b"{}"))
    table = pa.table({field.name: _as_declared(samples[field.name], field) for field in schema})
    table = table.combine_chunks()
    footer = {
        "position": position,
        "last": last,
        "errors": count_errors(table),
        "digest": content_digest(table),
        **({"decoders": decoders} if decoders else {}),
        **count_answers(table),
        **count_existing(table),
        **count_flags(table),
    }
    table = table.replace_schema_metadata(
        {RUN_KEY: run, CHUNK_KEY: json.dumps(footer, sort_keys=True).encode()}
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def content_digest(table: pa.Table) -> str:
    """SHA-256 of the rows as JSON lines, and of half-precision arrays as their bytes: of what a reader sees,
    whatever version wrote or reads it.
    """
    digest = hashlib.sha256()
    arrays = [field.name for field in table.schema if is_half(field.type)]
    for row in table.drop_columns(arrays).to_pylist():
        digest.update(json.dumps(row, default=repr).encode() + b"\n")
    for name in arrays:
        digest.update(read_half(table[name], range(table.num_rows)).tobytes())
    return digest.hexdigest()


def _as_declared(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    if is_half(field.type):  # made anew: read back from Parquet, the type names its elements otherwise
        return half_column(read_half(column, range(len(column))))
    return column.cast(field.type)


def count_answers(table: pa.Table) -> dict[str, int]:
    """How many questions were asked, and how many of them have no answer; nothing where none are asked."""
    if "answers" not in table.column_names:
        return {}
    answers = pc.list_flatten(table["answers"])
    unanswered = pc.struct_field(answers, "answer").null_count
    return {"questions": len(answers), "unanswered": unanswered}


def count_existing(table: pa.Table) -> dict[str, int]:
    """How many images had a caption, and how many kept that alone; nothing where none is looked for."""
    if "original_caption" not in table.column_names:
        return {}
    kept = pc.and_(table["caption"].is_null(), table["error"].is_null())
    return {
        "had_captions": len(table) - table["original_caption"].null_count,
        "kept": pc.sum(kept).as_py() or 0,
    }


def count_flags(table: pa.Table) -> dict[str, dict[str, int]]:
    """How many captions have each flag; nothing where none are flagged."""
    if "flags" not in table.column_names:
        return {}
    counts = pc.list_flatten(table["flags"]).value_counts().to_pylist()
    return {"flags": {entry["values"]: entry["counts"] for entry in counts}}


def count_errors(samples: pa.Table) -> int:
    return samples.num_rows - samples["error"].null_count


@dataclass(frozen=True)
class ChunkFooter:
    """What the footer of a written chunk says; `indices` are those of its rows in their shard, `decoders` how
    many of them which package but Pillow decoded, `questions` what they were asked in all, `had_captions` how
    many came with a caption, and `kept` with one that made another needless; `flags` how many captions have
    each.
    """

    rows: int
    errors: int
    last: bool
    indices: range = range(0)
    decoders: Mapping[str, int] = field(default_factory=dict)
    questions: int = 0
    unanswered: int = 0
    had_captions: int | None = None
    kept: int = 0
    flags: Mapping[str, int] | None = None


_TAIL = 64 << 10  # bytes, where most footers fit


def read_footer(folder: Folder, name: str) -> ChunkFooter | None:
    """The footer of one written chunk; None for a file that is damaged (it will be rewritten) or not there.

    Raises RunError where the storage does not answer: what it holds is not to be captioned again.
    """
    with reading(f"{folder.url}/{name}"):
        try:
            with folder.open(name) as file:
                tail = _tail(file)
        except FileNotFoundError:
            return None
    try:
        metadata = pq.read_metadata(pa.BufferReader(tail))
        chunk = json.loads(metadata.metadata[CHUNK_KEY])
        return ChunkFooter(
            metadata.num_rows,
            chunk["errors"],
            chunk["last"],
            _indices(metadata),
            chunk.get("decoders", {}),
            chunk.get("questions", 0),
            chunk.get("unanswered", 0),
            chunk.get("had_captions"),
            chunk.get("kept", 0),
            chunk.get("flags"),
        )
    except (OSError, ValueError, KeyError, TypeError):  # OSError: what Arrow finds wrong with the bytes
        return None


_INDEX = [column.name for column in TABLE_STARTS_WITH].index("index")


def _indices(metadata: pq.FileMetaData) -> range:
    """The rows' indices, which follow one another: the first stands in the statistics."""
    if not metadata.num_rows:
        return range(0)
    column = metadata.row_group(0).column(_INDEX)
    first = column.statistics.min if column.statistics and column.statistics.has_min_max else 0
    return range(first, first + metadata.num_rows)


def _tail(file: Any) -> bytes:
    """The end of a Parquet file with its footer, whose length stands before the last four bytes."""
    size = file.seek(0, io.SEEK_END)
    footer = _TAIL
    while True:
        file.seek(-min(footer, size), io.SEEK_END)
        tail = bytes(file.read())
        needed = int.from_bytes(tail[-8:-4], "little") + 8
        if needed <= len(tail) or len(tail) == size:
            return tail
        footer = needed
