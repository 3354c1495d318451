"""Files, hours and dollars from given rates, to the digit."""

import pytest

from pipeline.execution.budget import Prices, Size
from pipeline.plan.estimate import effort, files_of, suited_chunk_rows
from pipeline.storage.errors import UserError


def test_gpus_are_paid_by_the_hour() -> None:
    found = effort(7_200_000, 100, Size(machines=2, gpus=8), Prices(gpu_hour=2.5))
    assert (found.images_per_second, found.hours, found.gpu_hours) == (800, 2.5, 20)
    assert found.cost == 50
    assert found.cost_per_million == pytest.approx(50 / 7.2)


def test_machines_are_paid_by_the_hour() -> None:
    found = effort(36_000, 5, Size(machines=2, gpus=0), Prices(machine_hour=0.4))
    assert (found.images_per_second, found.hours, found.gpu_hours, found.cost) == (10, 1, 0, 0.8)


def test_without_a_price_there_is_no_cost() -> None:
    found = effort(3600, 1, Size(1, 0), Prices(), start_seconds=3600)
    assert (found.hours, found.cost, found.cost_per_million) == (2, None, None)
    assert effort(0, 1, Size(1, 0), Prices(), start_seconds=3600).hours == 0
    with pytest.raises(UserError, match="give --hour-price"):
        effort(3600, 1, Size(1, 0), Prices(gpu_hour=1))


def test_files_end_with_their_shard_at_rows_or_at_bytes() -> None:
    assert files_of([512, 513, 0], 512, 1000, 1 << 28) == 1 + 2 + 1
    assert files_of([512, 513, 0], 512, 0, 1 << 28) == 4
    assert files_of([10], 512, 1 << 20, 4 << 20) == 3
    assert files_of([2], 512, 1 << 30, 4 << 20) == 2


@pytest.mark.parametrize(
    ("rows", "shards", "bytes_per_image", "suited", "why"),
    [
        (1_000_000, 100, 100_000, 512, "few files"),
        (10_240_001, 1000, 50_000, 1024, "more than 20,000 files"),
        (1_000_000_000, 1000, 10_000, 8192, "more than 20,000 files"),
        (1_000_000_000, 1_000_000, 10_000, 8192, "these have 1,000 rows"),
        (1_000_000_000, 1000, 500_000, 8192, "at 256 MB of images"),
    ],
)
def test_chunk_rows_suit_the_number_of_files(
    rows: int, shards: int, bytes_per_image: float, suited: int, why: str
) -> None:
    found = suited_chunk_rows(rows, shards, bytes_per_image, 256 << 20)
    assert found.rows == suited
    assert why in found.why
