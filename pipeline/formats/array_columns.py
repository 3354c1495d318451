"""Fixed-size arrays as Arrow columns: one row an image, read back as numpy without a copy."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def pixels_column(pixels: NDArray[np.uint8]) -> pa.Array:
    """Pixels [rows, S, S, 3] as one fixed-size binary a row."""
    width = int(np.prod(pixels.shape[1:]))
    data = pa.py_buffer(np.ascontiguousarray(pixels))
    return pa.Array.from_buffers(pa.binary(width), len(pixels), [None, data])


def read_pixels(column: pa.ChunkedArray, rows: Sequence[int]) -> NDArray[np.uint8]:
    """Pixels [len(rows), S, S, 3] of the given rows."""
    size = round((column.type.byte_width / 3) ** 0.5)
    flat = np.frombuffer(_one_array(column).buffers()[1], dtype=np.uint8)
    start = _one_array(column).offset
    pixels = flat.reshape(-1, size, size, 3)[start : start + len(column)]
    return pixels[list(rows)]


def half_column(values: NDArray[np.float16]) -> pa.Array:
    """Half-precision numbers [rows, n] as one fixed-size list a row."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def is_half(kind: pa.DataType) -> bool:
    """Whether a column of this type holds such numbers, of any one size or of none yet."""
    is_list = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind)
    return bool(is_list and pa.types.is_float16(kind.value_type))


def read_half(column: pa.ChunkedArray, rows: Sequence[int]) -> NDArray[np.float16]:
    """Half-precision numbers [len(rows), n] of the given rows."""
    values = _one_array(column).flatten().to_numpy(zero_copy_only=True)
    return values.reshape(len(column), column.type.list_size)[list(rows)]


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
