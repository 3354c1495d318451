"""`maccap import`: an authors' checkpoint becomes a bundle that captions."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from jobs.import_authors import main
from maccap.adaptor.adaptor import Adaptor
from maccap.captioner import Captioner
from maccap.config import PAPER_DECODING
from maccap.image.clip import FrozenClip
from maccap.text.language_model import FrozenLanguageModel
from pipeline.storage.errors import UserError


def test_an_imported_bundle_captions(
    tmp_path: Path,
    make_clip: Callable[..., FrozenClip],
    make_lm: Callable[..., FrozenLanguageModel],
    make_adaptor: Callable[..., Adaptor],
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = {"queries": "query_fusion.weight", "decoder.": "aligner.", "projection.0": "align_proj.layers.0",
             "projection.2": "align_proj.layers.1", "projection.4": "align_proj.layers.2"}  # fmt: skip
    weights = {}
    for key, value in make_adaptor(heads=8).state_dict().items():
        ours = next(name for name in names if key.startswith(name))
        weights[names[ours] + key.removeprefix(ours)] = value
    torch.save({"model": weights}, tmp_path / "checkpoint_last.pth")
    make_clip().save(tmp_path / "clip")
    make_lm().save(tmp_path / "llm")
    main(
        tmp_path / "checkpoint_last.pth",
        str(tmp_path / "bundle"),
        clip=str(tmp_path / "clip"),
        llm=str(tmp_path / "llm"),
    )
    assert "embeddings of 48" in capsys.readouterr().out
    captioner = Captioner.from_pretrained(tmp_path / "bundle")
    assert captioner.config.noise_variance == 0.016
    captions = captioner.caption([Image.new("RGB", (40, 30), "red")])
    assert len(captions[0].candidates) == captioner.config.decoding.candidates
    assert captioner.config.decoding == PAPER_DECODING


def test_models_that_lie_in_output_are_not_replaced(
    tmp_path: Path, make_clip: Callable[..., FrozenClip], make_lm: Callable[..., FrozenLanguageModel]
) -> None:
    make_clip().save(tmp_path / "clip")
    make_lm().save(tmp_path / "llm")
    checkpoint = tmp_path / "checkpoint_last.pth"
    checkpoint.touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="is not empty and holds no bundle"):
        main(checkpoint, str(tmp_path), clip=str(tmp_path / "clip"), llm=str(tmp_path / "llm"))
    assert sorted(tmp_path.rglob("*")) == before


def test_what_cannot_be_imported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a file"):
        main(tmp_path / "missing.pth", str(tmp_path / "bundle"))
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match="no adaptor"):
        main(tmp_path / "other.pth", str(tmp_path / "bundle"))
