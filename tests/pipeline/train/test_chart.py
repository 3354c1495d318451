from pathlib import Path

import pytest
from PIL import Image

from pipeline.train.chart import CHART_FILE, draw
from tests.pipeline.train.test_history import records


@pytest.mark.parametrize("steps", [1, 4, 1500])
def test_a_run_of_any_length_is_drawn(tmp_path: Path, steps: int) -> None:
    draw(str(tmp_path), records(1, steps))
    with Image.open(tmp_path / CHART_FILE) as image:
        assert image.width > 1000
        assert len(image.convert("RGB").getcolors(1 << 20)) > 50
