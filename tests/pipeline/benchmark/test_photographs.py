from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.benchmark.photographs import measure_photographs
from pipeline.storage.errors import UserError


def _write(path: Path, width: int, height: int) -> None:
    rough = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    Image.fromarray(rough).resize((width, height)).save(path)


def test_photographs_are_put_together_by_size_and_only_large_ones_are_reduced(tmp_path: Path) -> None:
    _write(tmp_path / "small.jpg", 320, 240)
    _write(tmp_path / "large.jpg", 2048, 1536)
    _write(tmp_path / "larger.jpg", 2400, 1200)
    _write(tmp_path / "no_jpeg.png", 2048, 1536)
    (tmp_path / "damaged.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    found = measure_photographs(str(tmp_path), 10, 224)
    assert [(group.megapixels, group.count) for group in found.photographs] == [
        ("under 0.5", 1),
        ("2 - 4", 2),
    ]
    small, large = found.photographs
    assert small.difference == 0
    assert 0 < large.difference < 10
    assert large.full > 0 < large.reduced
    assert [table.row_count for table in found.tables()] == [2]


def test_a_source_without_a_jpeg_is_named(tmp_path: Path) -> None:
    _write(tmp_path / "no_jpeg.png", 64, 64)
    with pytest.raises(UserError, match="holds no JPEG"):
        measure_photographs(str(tmp_path), 10, 224)
