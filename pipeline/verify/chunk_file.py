"""One chunk's file: whole to the byte, of this run, and its rows those that were written."""

import json
import re
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.chunk import CHUNK_KEY, DECODERS_KEY, RUN_KEY
from pipeline.formats.array_columns import is_half
from pipeline.run.run_folder import RunFacts
from pipeline.stages.write import content_digest, count_errors, file_content
from pipeline.storage.folder import Folder, reading
from pipeline.storage.redact import describe

_ANY_PYARROW = re.compile(r"parquet-cpp-arrow version \d+\.\d+\.\d+(-\w+)?")


class ChunkFileError(ValueError):
    """What is wrong with one file."""


@dataclass(frozen=True)
class ChunkFile:
    """The rows of one sound file, and whether they end their shard."""

    rows: pa.Table
    last: bool


def read_chunk_file(folder: Folder, name: str, position: int, facts: RunFacts) -> ChunkFile:
    """Raises ChunkFileError for a file that is damaged, of another run, altered, or not where it was written.

    Two checks find damage. The footer has a digest of the rows; and since a file's bytes come from its
    content alone, writing the rows again must give the same file, where this is the pyarrow that wrote it.
    Raises RunError where the storage does not answer: that says nothing of the file.
    """
    with reading(f"{folder.url}/{name}"):
        data = folder.read(name)
    if data is None:
        raise ChunkFileError("is not there any more")
    try:
        return _checked(data, position, facts)
    except ChunkFileError:
        raise
    except (OSError, ValueError, LookupError, TypeError, NotImplementedError, pa.ArrowException) as error:
        raise ChunkFileError(f"is damaged and cannot be read ({describe(error)})") from None


def _checked(data: bytes, position: int, facts: RunFacts) -> ChunkFile:
    file = pq.ParquetFile(pa.BufferReader(data))
    rows = file.read()
    rows.validate(full=True)
    schema = facts.table_schema()
    _check_columns(rows, schema)
    run, chunk = _footer(rows.schema.metadata or {})
    ours = facts.for_footer()
    if other := sorted(key for key in {*ours, *run} - {"version"} if ours.get(key) != run.get(key)):
        raise ChunkFileError(f"is of another run, with another {', '.join(other)}")
    if chunk.get("position") != position:
        raise ChunkFileError(f"is a copy: it was written as number {chunk.get('position')} of its shard")
    if chunk.get("digest") != content_digest(rows) or chunk.get("errors") != count_errors(rows):
        raise ChunkFileError("holds other rows than were written: it is damaged or was altered")
    last = bool(chunk.get("last"))
    # by which packages images were decoded no column tells, the footer alone
    decoded = rows.replace_schema_metadata({DECODERS_KEY: json.dumps(chunk.get("decoders", {}))})
    again = file_content(decoded, rows.schema.metadata[RUN_KEY], position, last, schema)
    writer, this_one = file.metadata.created_by, pq.read_metadata(pa.BufferReader(again)).created_by
    if again != data if writer == this_one else not _ANY_PYARROW.fullmatch(writer):
        raise ChunkFileError("is not the file that was written: its footer is damaged or was altered")
    return ChunkFile(rows, last)


def _check_columns(rows: pa.Table, declared: pa.Schema) -> None:
    found = rows.schema.remove_metadata()
    expected = pa.schema([_of_any_size(rows, field) for field in declared])
    if found.equals(expected):
        return
    lacking = [name for name in expected.names if name not in found.names]
    foreign = [name for name in found.names if name not in expected.names]
    other = [
        name for name in expected.names if name in found.names and found.field(name) != expected.field(name)
    ]
    parts = [
        f"{what} {', '.join(names)}"
        for what, names in (("it lacks", lacking), ("foreign", foreign), ("of another type", other))
        if names
    ]
    raise ChunkFileError(f"has other columns than a caption table ({'; '.join(parts) or 'in another order'})")


def _of_any_size(rows: pa.Table, declared: pa.Field) -> pa.Field:
    """An array's field as it was found, where it is one: how long they are is the model's."""
    if not is_half(declared.type):
        return declared
    if declared.name in rows.column_names:
        there = rows.schema.field(declared.name)
        is_array = pa.types.is_fixed_size_list(there.type) and is_half(there.type)
        if is_array and not rows[declared.name].null_count:
            return there.remove_metadata()
    return pa.field(declared.name, pa.list_(pa.float16(), 1))  # which no model's is


def _footer(metadata: dict[bytes, bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        run, chunk = json.loads(metadata[RUN_KEY]), json.loads(metadata[CHUNK_KEY])
        if isinstance(run, dict) and isinstance(chunk, dict):
            return run, chunk
    except (KeyError, ValueError):
        pass
    raise ChunkFileError("is not of a captioning run: its footer does not say of which")
