"""Also for explanation_page.py, drawing.py and examples.py: explanations of runs whose images changed or
went.
"""

from pathlib import Path

import pytest

from jobs.caption import main as caption
from pipeline.inspect.explain import explain
from pipeline.inspect.explanation_page import as_text, draw_explanation
from tests.images import encoded, picture


@pytest.fixture
def source(tmp_path: Path, small_bundle: Path) -> Path:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(2):
        (images / f"{number}.jpg").write_bytes(encoded(picture(number)))
    caption(str(images), str(tmp_path / "run"), model=str(small_bundle), local=True)
    return images


def test_another_image_under_the_same_name_is_not_what_is_written(source: Path, tmp_path: Path) -> None:
    (source / "0.jpg").write_bytes(encoded(picture(9)))
    explanation = explain(str(tmp_path / "run"), "0.jpg")
    assert explanation.same_caption is False
    assert "not what is written" in as_text(explanation)


def test_an_image_that_is_gone_leaves_what_the_table_has(source: Path, tmp_path: Path) -> None:
    (source / "1.jpg").unlink()
    explanation = explain(str(tmp_path / "run"), "1.jpg")
    assert explanation.image is None
    assert explanation.same_caption is None
    assert "the image is no longer at its source" in as_text(explanation)
    assert draw_explanation(explanation).width > 1000


def test_where_clip_looked(source: Path, tmp_path: Path) -> None:
    looked = explain(str(tmp_path / "run"), "0.jpg").looked
    assert looked is not None
    assert looked.pixels.shape == (32, 32, 3)
    assert looked.attention.shape == (4, 4)
    assert looked.regions is not None
    assert looked.regions.shape == (4, 4, 4)
    places = [place for place in looked.salient if place is not None]
    weights = [looked.attention[place] for place in places]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] == looked.attention.max()
