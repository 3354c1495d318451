"""Parquet files with a caption column."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.texts.found import Found, captions_in
from pipeline.texts.records import missing_column

_BATCH_ROWS = 4096


def read_parquet(stream: Any, name: str, column: str) -> Iterator[Found]:
    """The column's texts, or lists of texts, a batch of rows at a time.

    Raises UserError where there is no such column or it holds no text, ArrowException where the file is
    damaged.
    """
    file = pq.ParquetFile(stream)
    schema = file.schema_arrow
    if column not in schema.names:
        raise missing_column(name, column, schema.names)
    kind = _bytes_type(schema.field(column).type)
    if kind is None:
        raise UserError(
            f"{name}: column `{column}` holds {schema.field(column).type}, not text or lists of text. "
            "Name another with --column."
        )
    row = 0
    for batch in file.iter_batches(_BATCH_ROWS, columns=[column]):
        # as bytes: one text that is no UTF-8 must not end the file
        for value in batch.column(0).cast(kind).to_pylist():
            row += 1
            yield from captions_in(_decoded(value), row)


def _bytes_type(kind: pa.DataType) -> pa.DataType | None:
    if pa.types.is_dictionary(kind):
        return _bytes_type(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = _bytes_type(kind.value_type)
        return pa.large_list(inner) if inner == pa.large_binary() else None
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return pa.large_binary() if any(is_text(kind) for is_text in texts) else None


def _decoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return [_decoded(item) for item in value] if isinstance(value, list) else value
