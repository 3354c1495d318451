"""The statistics of chunks: their sum, as bytes and back, and as files; also for partials.py."""

from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.analyze.partials import folded
from pipeline.analyze.statistics import Statistics
from pipeline.storage.errors import RunError
from tests.pipeline.analyze.pairs import compared, known_cosines, uncompared

IMAGES, DIMENSIONS = 600, 6


def _parts() -> tuple[Statistics, list[Statistics]]:
    """Of the same images, in one chunk and in several, one of which has an error and one no caption."""
    ids = [f"{number:04d}" for number in range(IMAGES)]
    differences = np.random.default_rng(0).normal(0.1, 0.02, (IMAGES, DIMENSIONS)).astype(np.float32)
    cosines = known_cosines(IMAGES, 0.7)
    cuts = [0, 1, 257, IMAGES]
    parts = [
        compared(ids[start:end], differences[start:end], cosines[start:end]) for start, end in pairwise(cuts)
    ]
    return compared(ids, differences, cosines), [*parts, uncompared("x"), uncompared("y", "damaged image")]


def assert_equal(a: Any, b: Any) -> None:
    for field in fields(a):
        one, two = getattr(a, field.name), getattr(b, field.name)
        if isinstance(one, np.ndarray):
            assert one == pytest.approx(two, rel=1e-9, abs=1e-12)
        elif isinstance(one, dict) and not all(isinstance(value, int) for value in one.values()):
            for name in one:
                assert_equal(one[name], two[name])
        elif hasattr(one, "__dataclass_fields__"):
            assert_equal(one, two)
        else:
            assert one == two


def test_parts_add_up_to_the_whole_in_any_order() -> None:
    whole, parts = _parts()
    for some in (parts, parts[::-1]):
        total = some[0]
        for part in some[1:]:
            total = total + part
        assert total.counts == {**whole.counts, "rows": IMAGES + 2, "errors": 1, "uncaptioned": 1}
        assert total.errors == ("y: damaged image",)
        assert total.field_names == ("file",)
        for name in ("gap", "other_gap", "sample"):
            assert_equal(getattr(total, name), getattr(whole, name))
        for weighting, closeness in whole.closeness.items():
            assert_equal(total.closeness[weighting], closeness)


def test_bytes_hold_all_of_it() -> None:
    _, parts = _parts()
    for part in parts:
        assert_equal(Statistics.from_bytes(part.to_bytes()), part)


def test_a_chunk_that_is_written_twice_counts_once(tmp_path: Path) -> None:
    whole, parts = _parts()
    for number, part in [*enumerate(parts[:3]), (1, parts[1]), (0, parts[0])]:
        (tmp_path / f"a.{number:05d}.parquet.npz").write_bytes(part.to_bytes())
    (tmp_path / ".a.00009.parquet.npz.tmp").write_bytes(b"half")
    assert_equal(folded(str(tmp_path)), whole)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no statistics"):
        folded(str(tmp_path / "none"))
