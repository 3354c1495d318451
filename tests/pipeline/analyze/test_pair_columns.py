import numpy as np
import pyarrow as pa

from pipeline.analyze.pair_columns import VECTORS, read_vectors, vectors_column


def test_vectors_are_read_back_by_row() -> None:
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    table = pa.table({"v": vectors_column([1, 0, 3], values)})
    assert table["v"].to_pylist() == [[[0, 1, 2]], [], [[3, 4, 5], [6, 7, 8], [9, 10, 11]]]
    assert VECTORS.equals(pa.list_(pa.list_(pa.float32())))
    for some, first in ((table, 0), (table.slice(1), 1)):
        counts, read = read_vectors(some["v"])
        assert counts.tolist() == [1, 0, 3][first:]
        assert read.tolist() == values[first:].tolist()


def test_a_column_without_vectors_keeps_their_size() -> None:
    for counts in ([], [0, 0]):
        column = pa.table({"v": vectors_column(counts, np.zeros((0, 5), np.float32))})["v"]
        assert [part.shape for part in read_vectors(column)] == [(len(counts),), (0, 5)]
