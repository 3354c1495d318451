"""Also for explanation_page.py, looked.py, run_model.py, drawing.py and examples.py: explanations of runs
whose images changed or went.
"""

import json
import shutil
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
    assert explanation.same is False
    assert "not what is written" in as_text(explanation)


def test_it_says_what_a_caption_was_chosen_by(source: Path, small_bundle: Path, tmp_path: Path) -> None:
    said = as_text(explain(str(tmp_path / "run"), "0.jpg"))
    assert "captioned again, by the same keys: the same" in said
    assert "chosen by" not in said
    likely = tmp_path / "likely"
    shutil.copytree(small_bundle, likely)
    config = json.loads((likely / "config.json").read_text())
    (likely / "config.json").write_text(json.dumps({**config, "rerank": {"logprob_weight": 1000}}))
    caption(str(source), str(tmp_path / "likely-run"), model=str(likely), local=True)
    explanation = explain(str(tmp_path / "likely-run"), "0.jpg")
    assert explanation.same
    assert "chosen by cosine with the image + 1000 x log-probability" in as_text(explanation)
    best = max(explanation.row["candidates"], key=lambda candidate: candidate["logprob"])
    assert explanation.row["caption"] == best["text"]


def test_an_image_that_is_gone_leaves_what_the_table_has(source: Path, tmp_path: Path) -> None:
    (source / "1.jpg").unlink()
    explanation = explain(str(tmp_path / "run"), "1.jpg")
    assert explanation.again is explanation.same is None
    assert "no longer has this image in its place" in as_text(explanation)
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


def test_errors_and_limits_are_those_of_the_run(tmp_path: Path, small_bundle: Path) -> None:
    """An image that was not read, one that cannot be decoded, one cut short that a run accepts."""
    images = tmp_path / "images"
    images.mkdir()
    whole = encoded(picture(0, 300, 200))
    (images / "large.jpg").write_bytes(whole + bytes(20_000))
    (images / "cut.jpg").write_bytes(whole[: len(whole) * 3 // 4])
    (images / "none.jpg").write_bytes(b"nothing of the kind")
    config = tmp_path / "job.yaml"
    config.write_text(f"max_bytes: {len(whole) + 10_000}\naccept_truncated: true\n")
    run = str(tmp_path / "run")
    caption(str(images), run, model=str(small_bundle), config=config, local=True)
    for name, error in (("large.jpg", "max_bytes"), ("none.jpg", "image")):
        explanation = explain(run, name)
        assert explanation.same is True
        assert error in explanation.row["error"]
        assert "captioned again, by the same keys: the same error" in as_text(explanation)
        assert draw_explanation(explanation).width > 1000
    explanation = explain(run, "cut.jpg")
    assert explanation.same is True
    assert explanation.whole is not None


def test_a_run_from_kept_features_says_that_it_has_no_images(source: Path, tmp_path: Path) -> None:
    caption(str(source), str(tmp_path / "kept"), keep_features=True, local=True)
    caption(str(tmp_path / "kept"), str(tmp_path / "anew"), local=True)
    explanation = explain(str(tmp_path / "anew"), "0.jpg")
    assert "is a run that keeps features, and has no images" in as_text(explanation)
