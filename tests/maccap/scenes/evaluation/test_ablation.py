"""Also for held_out_scenes.py: the ablation compares what was built together, and refuses what was not."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch

from jobs.ablate import main
from maccap.adaptor.adaptor import Adaptor
from maccap.bundle import Bundle, built_in_bundle_path
from maccap.bundle_writing import write_bundle
from maccap.scenes.evaluation.ablation import Ablation
from maccap.scenes.training.build import BuiltTowers
from maccap.text.language_model import FrozenLanguageModel
from pipeline.storage.errors import UserError


def _bundle(folder: Path, towers: BuiltTowers, lm: FrozenLanguageModel) -> Bundle:
    config = Bundle.open(built_in_bundle_path()).config
    adaptor = Adaptor(towers.adaptor_config())
    config = config.model_copy(update={"adaptor": adaptor.config})
    write_bundle(folder, config, towers.clip, lm, adaptor, half=True)
    return Bundle.open(folder)


def test_a_bundle_is_compared_with_the_folder_it_was_built_in(towers: BuiltTowers, tmp_path: Path) -> None:
    bundle = _bundle(tmp_path / "bundle", towers, towers.lm)
    ablation = Ablation(bundle, towers, "tune", 2, 0, 2)
    assert next(ablation.parts()).scores.captions == 2


def test_methods_have_adaptors_of_their_own(
    towers: BuiltTowers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maccap.scenes.evaluation.ablation._GAP_IMAGES", 4)
    ablation = Ablation(_bundle(tmp_path / "bundle", towers, towers.lm), towers, "tune", 2, 0, 2)
    rows = list(ablation.methods())
    assert [row.scores.captions for row in rows] == [2] * len(rows)
    assert [row.what for row in rows if "phrases" in row.what] == [
        "regions by attention, trained with phrases",
        "regions by attention, trained with phrases, gap closed",
    ]
    trained = {path.name.split("-2-")[0] for path in towers.work.glob("adaptor-*")}
    assert trained == {"adaptor-0.004-10", "adaptor-0.004-10-phrases", "adaptor-0-10", "adaptor-0.004-1"}


def test_two_models_are_not_mixed(towers: BuiltTowers, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{towers.work} holds another CLIP than the bundle .*maccap embed"):
        main(towers.work, count=2)
    other = deepcopy(towers.lm)
    with torch.no_grad():
        next(other.parameters()).mul_(2)
    bundle = _bundle(tmp_path / "bundle", towers, other)
    with pytest.raises(ValueError, match="holds another language model than the bundle"):
        Ablation(bundle, towers, "tune", 2, 0, 2)


def test_a_damaged_build_is_refused_in_one_message(tmp_path: Path) -> None:
    (tmp_path / "build.json").write_text('{"seed": "x"}')
    with pytest.raises(UserError, match="seed"):
        main(tmp_path)
