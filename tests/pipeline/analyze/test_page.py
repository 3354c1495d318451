"""Also for plots.py: the pictures of any findings, and the page that carries them."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.analyze.analysis import Analysis
from pipeline.analyze.findings import findings_of
from pipeline.analyze.page import PLOTS, page
from pipeline.analyze.plots import draw
from pipeline.analyze.verdicts import verdicts
from tests.pipeline.analyze.pairs import compared, known_cosines, uncompared


def _analysis(images: int) -> Analysis:
    differences = np.random.default_rng(0).normal(0.1, 0.02, (images, 6)).astype(np.float32)
    found = compared([f"{n}" for n in range(images)], differences, known_cosines(images, 0.5))
    findings = findings_of(found + uncompared("<b>", "damaged <image>"), 0.0)
    facts = {"source": "a&b", "taken_for": "2 tars", "left_out": {}, "captions": ("alt",), "limit": None}
    model = {"model": "m", "model_fingerprint": "f", "seed": 0, "version": "1"}
    return Analysis(**facts, **model, verdicts=verdicts(findings), findings=findings)


@pytest.mark.parametrize("images", [1, 500])
def test_any_number_of_images_is_drawn_and_told(images: int) -> None:
    analysis = _analysis(images)
    pictures = draw(analysis.findings)
    assert set(pictures) == set(PLOTS)
    for picture in pictures.values():
        with Image.open(io.BytesIO(picture)) as image:
            assert image.width > 1000
            assert len(image.convert("RGB").getcolors(1 << 20)) > 20
    text = page(analysis, pictures)
    assert text.count("data:image/png;base64,") == len(PLOTS)
    assert "a&amp;b" in text
    assert "damaged &lt;image&gt;" in text
    assert "http" not in text.split("base64,")[0]
    assert all(verdict.outcome in text for verdict in analysis.verdicts)
