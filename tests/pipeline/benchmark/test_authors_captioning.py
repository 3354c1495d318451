"""The baseline is the same method: without noise, its beams are ours."""

import json
import shutil
from pathlib import Path
from typing import Literal

import pytest
import torch
from PIL import Image

from maccap.bundle import Bundle
from maccap.captioner import Captioner
from maccap.config import DecodingConfig
from pipeline.benchmark.authors_captioning import AuthorsCaptioning
from tests.images import encoded, picture


@pytest.fixture(scope="module")
def quiet_bundle(small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small bundle without noise: all candidates of an image are one."""
    folder = shutil.copytree(small_bundle, tmp_path_factory.mktemp("quiet") / "bundle")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "noise_variance": 0}))
    return folder


def authors(bundle: Path, search: Literal["beams", "sampling"]) -> AuthorsCaptioning:
    return AuthorsCaptioning(
        Bundle.open(bundle), "cpu", torch.float32, search=search, candidates=2, max_new_tokens=6
    )


def test_their_beams_are_ours(quiet_bundle: Path) -> None:
    files = [encoded(picture(seed), "PNG") for seed in range(18)]  # more than a batch
    captions, candidates = authors(quiet_bundle, "beams")(files)
    decoding = DecodingConfig(candidates=2, strategy="beam", max_new_tokens=6)
    images: list[Image.Image | str | Path] = [picture(seed) for seed in range(18)]
    ours = Captioner.from_pretrained(quiet_bundle, "cpu").caption(images, decoding=decoding)
    assert captions == [caption.text for caption in ours]
    assert candidates == [[c.text for c in caption.candidates] for caption in ours]
    assert len(set(captions)) > 3


def test_samples_differ_and_the_best_of_them_wins(small_bundle: Path) -> None:
    torch.manual_seed(0)
    way = authors(small_bundle, "sampling")
    captions, candidates = way([encoded(picture(seed), "PNG") for seed in range(12)])
    assert any(first != second for first, second in candidates)
    assert any(caption != first for caption, (first, _) in zip(captions, candidates, strict=True))
    assert all(caption in drawn for caption, drawn in zip(captions, candidates, strict=True))
