"""Batches shrink where memory runs out, and nothing else is taken for that."""

import pytest
import torch

from maccap.runtime.fitting_batch import FittingBatch


def sizes(batch: FittingBatch, count: int, size: int, holds: int) -> list[int]:
    """Batch sizes done, where more than `holds` rows ask for more memory than any machine has."""

    def work(rows: slice) -> int:
        number = rows.stop - rows.start
        torch.empty(1 << 52 if number > holds else 8)
        return number

    return list(batch.over(count, size, work))


def test_batches_cover_all_rows() -> None:
    parts = list(FittingBatch().over(10, 4, lambda rows: list(range(10))[rows]))
    assert parts == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert list(FittingBatch().over(0, 4, lambda rows: rows)) == []


def test_a_failed_allocation_halves_the_batch_permanently() -> None:
    batch = FittingBatch()
    assert sizes(batch, 20, 16, holds=5) == [4, 4, 4, 4, 4]
    assert sizes(batch, 9, 16, holds=100) == [4, 4, 1]
    assert sizes(batch, 9, 3, holds=100) == [3, 3, 3]


def test_one_row_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(MemoryError, match=r"not even one row at a time fits into memory: .*allocate"):
        sizes(FittingBatch(), 3, 2, holds=0)


def test_other_errors_pass() -> None:
    def work(rows: slice) -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(FittingBatch().over(3, 2, work))
