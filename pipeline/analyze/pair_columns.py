"""Columns with several vectors a row: an Arrow list of fixed-size lists."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

VECTORS = pa.list_(pa.list_(pa.float32()))


def vectors_column(counts: Sequence[int], values: NDArray[np.float32]) -> pa.Array:
    """`values` [sum of counts, n]: the next `counts[row]` of them are those of the row."""
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    flat = pa.array(np.ascontiguousarray(values, np.float32).reshape(-1))
    return pa.ListArray.from_arrays(offsets, pa.FixedSizeListArray.from_arrays(flat, values.shape[1]))


def read_vectors(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """How many each row has, and all of them [total, n]."""
    lists = column.combine_chunks()
    counts = lists.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    values = lists.flatten().flatten().to_numpy(zero_copy_only=False)
    return counts, values.reshape(-1, column.type.value_type.list_size)
