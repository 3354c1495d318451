"""The towers that ship can be ablated: laid out in a work folder, with the captions they were trained on."""

import shutil
from pathlib import Path

import pytest

from maccap.bundle import Bundle
from maccap.scenes.training.build import CAPTIONS
from maccap.scenes.training.shipped_towers import SHIPPED, shipped_towers
from maccap.text.language_model import FrozenLanguageModel
from pipeline.texts import load_captions


@pytest.mark.parametrize("model", SHIPPED)
def test_towers_and_captions_are_those_of_the_bundle(model: str, tmp_path: Path) -> None:
    bundle = Bundle.open(model)
    work = tmp_path / "new" / "work"
    towers = shipped_towers(work, model)
    clip = bundle.load_clip().weights()
    assert all(value.equal(clip[name]) for name, value in towers.clip.weights().items())
    lm = FrozenLanguageModel.load(bundle.tower(bundle.config.llm.name)).weights()
    assert all(value.equal(lm[name]) for name, value in towers.lm.weights().items())
    assert load_captions([str(work / CAPTIONS)]).fingerprint == bundle.config.training_data


def test_a_folder_of_other_towers_is_refused(tmp_path: Path) -> None:
    first, second = SHIPPED
    shutil.copytree(Path(Bundle.open(first).tower("clip")), tmp_path / "clip")
    with pytest.raises(ValueError, match=f"clip is not the one of {second}; use another work folder"):
        shipped_towers(tmp_path, second)
    assert [path.name for path in tmp_path.iterdir()] == ["clip"]
