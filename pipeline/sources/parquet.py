"""Parquet files with images: as bytes, as a struct of bytes and path (Hugging Face datasets writes these), as
paths or as URLs.

A file is a shard and is read in small batches, page by page, so that the size of its row groups does not
matter. The other columns are the samples' metadata.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.files import locate, open_blocks, read_file
from pipeline.redact import printable
from pipeline.sources.sample import Sample, Shard
from pipeline.sources.unique import UniqueIds

_ROWS = 32
_BYTES_NAMES = ("image", "jpg", "jpeg", "png", "webp", "img", "image_bytes", "bytes", "content")
_PATH_NAMES = ("file_name", "image_path", "path", "filepath", "file", "image_url", "url", "image")
_ID_NAMES = ("__key__", "key", "image_id", "id")


def read_parquet(shard: Shard) -> Iterator[Sample]:
    """The rows of one file, in order. Raises OSError or ValueError where the file cannot be read on."""
    ids, prefix = UniqueIds(), re.sub(r"\.parquet$", "", shard.id, flags=re.IGNORECASE)
    with open_blocks(*locate(shard.url)) as source:
        file = pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20)
        column = image_column(file.schema_arrow, shard.column)
        key = next((name for name in _ID_NAMES if name in file.schema_arrow.names and name != column), None)
        row = 0
        for batch in file.iter_batches(_ROWS):
            others = batch.select(_metadata_columns(batch.schema, column)).to_pylist()
            for image, fields in zip(batch[column], others, strict=True):
                data, path = _parts(image.as_py())
                name = next((str(part) for part in (fields.get(key), path) if part), f"{row:08d}")
                image_id = ids.unique(f"{prefix}/{printable(name)}")
                row += 1
                if data is None and path is None:
                    yield Sample(image_id, metadata=_dump(fields), error=f"column {column} is empty")
                    continue
                load = partial(bytes, data) if data is not None else image_at(shard.root, str(path))
                yield Sample(image_id, len(data or b""), load, _dump(fields))


def image_column(schema: pa.Schema, wanted: str = "") -> str:
    """The column with the images. Raises UserError where it cannot be told."""
    if wanted and wanted not in schema.names:
        raise UserError(f"there is no column {wanted!r}; the columns are {', '.join(schema.names)}")
    if wanted:
        return wanted
    with_bytes = [
        name for name in _BYTES_NAMES if name in schema.names and holds_bytes(schema.field(name).type)
    ]
    with_paths = [name for name in _PATH_NAMES if name in schema.names and _is_text(schema.field(name).type)]
    for name in [*with_bytes, *with_paths]:
        return name
    raise UserError(
        f"which column holds the images cannot be told from {', '.join(schema.names)}. "
        "Name it with --image-column."
    )


def image_at(root: str, path: str) -> Callable[[], bytes]:
    """What reads the image at a URL, or at a path below `root` (a folder that ends in a slash)."""

    def load() -> bytes:
        return read_file(*locate(path if "://" in path else root + path.lstrip("/")))

    return load


def _parts(value: Any) -> tuple[bytes | None, str | None]:
    """Bytes and path of an image, whichever there is."""
    if isinstance(value, dict):
        return value.get("bytes"), value.get("path")
    return (value, None) if isinstance(value, bytes) else (None, value)


def holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _metadata_columns(schema: pa.Schema, image: str) -> list[str]:
    return [field.name for field in schema if field.name != image and not holds_bytes(field.type)]


def _dump(fields: dict[str, Any]) -> str | None:
    return printable(json.dumps(fields, ensure_ascii=False, default=str)) if fields else None
