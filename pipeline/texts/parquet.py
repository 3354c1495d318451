"""Parquet files with a caption column."""

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.texts.columns import IMAGE_NAMES, caption_column, image_name, inferred, missing_column, normal
from pipeline.texts.found import Found, NoCaptionsError, Note, captions_in

_BATCH_ROWS = 4096


def read_parquet(stream: Any, name: str, wanted: str | None, note: Note) -> Iterator[Found]:
    """The column's texts, or lists of texts, a batch of rows at a time.

    Raises NoCaptionsError where there is no such column or it holds no text, ArrowException where the file is
    damaged.
    """
    file = pq.ParquetFile(stream)
    schema = file.schema_arrow
    index = caption_column(schema.names, wanted)
    if index is None:
        raise missing_column(name, wanted, schema.names)
    column = schema.names[index]
    kind = _bytes_type(schema.field(index).type)
    if kind is None:
        raise NoCaptionsError(
            "tables without text in the caption column",
            f"{name}: column `{column}` holds {schema.field(index).type}, not text or lists of text. "
            "Name another with --column.",
        )
    if wanted is None and inferred(column):
        note(f"table with captions in `{column}`")
    split = next((field.name for field in schema if normal(field.name) == "split" and _is_text(field)), None)
    named = {normal(field.name): field.name for field in schema if _tells_image(field)}
    image = next((named[known] for known in IMAGE_NAMES if known in named and named[known] != column), None)
    row = 0
    columns = [column, *(name for name in (split, image) if name)]
    for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
        splits = _texts(batch.column(split), pa.large_binary()) if split else repeat(None)
        images = map(image_name, batch.column(image).to_pylist()) if image else repeat(None)
        for text, of_split, of_image in zip(_texts(batch.column(column), kind), splits, images, strict=False):
            row += 1
            yield from captions_in(text, row, of_split, of_image)


def _texts(column: pa.Array, kind: pa.DataType) -> Iterator[Any]:
    """As bytes first: one text that is no UTF-8 must not end the file."""
    return map(_decoded, column.cast(kind).to_pylist())


def _tells_image(field: pa.Field) -> bool:
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_floating)
    return any(of(field.type) for of in kinds)


def _is_text(field: pa.Field) -> bool:
    return _bytes_type(field.type) == pa.large_binary()


def _bytes_type(kind: pa.DataType) -> pa.DataType | None:
    if pa.types.is_dictionary(kind):
        return _bytes_type(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = _bytes_type(kind.value_type)
        return pa.large_list(inner) if inner == pa.large_binary() else None
    texts = (
        *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
        *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view),
    )
    return pa.large_binary() if any(is_text(kind) for is_text in texts) else None


def _decoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return [_decoded(item) for item in value] if isinstance(value, list) else value
