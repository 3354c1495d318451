import numpy as np
import pyarrow as pa

from pipeline.formats.array_columns import half_column, pixels_column, read_half, read_pixels


def _through_ipc(column: pa.Array) -> pa.ChunkedArray:
    table = pa.table({"x": column})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return pa.ipc.open_stream(sink.getvalue()).read_all()["x"]


def test_pixels_come_back_row_by_row() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 7, 3), dtype=np.uint8)
    column = _through_ipc(pixels_column(pixels))
    assert np.array_equal(read_pixels(column, [4, 0]), pixels[[4, 0]])
    assert np.array_equal(read_pixels(column.slice(2), [0, 1]), pixels[[2, 3]])


def test_half_precision_lists_come_back_row_by_row() -> None:
    values = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float16)
    column = _through_ipc(half_column(values))
    assert np.array_equal(read_half(column, [3, 1]), values[[3, 1]])
    assert np.array_equal(read_half(column.slice(2), [0]), values[[2]])
