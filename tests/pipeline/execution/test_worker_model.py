"""A worker computes with the run's model or not at all."""

import shutil
from pathlib import Path

import pytest

from maccap.bundle import Bundle
from pipeline.execution.worker_model import folder_of_model
from pipeline.storage.errors import UserError


def test_a_node_with_another_model_under_the_same_path_is_refused(small_bundle: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(small_bundle, model)
    fingerprint = Bundle.open(model).fingerprint
    assert folder_of_model(str(model), fingerprint) == model
    weights = model / "adaptor.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    folder_of_model.cache_clear()
    with pytest.raises(UserError, match=f"model {model} is another on .* Put the run's model there"):
        folder_of_model(str(model), fingerprint)
    weights.unlink()
    with pytest.raises(UserError, match=r"cannot be opened on .*adaptor\.safetensors is missing"):
        folder_of_model(str(model), fingerprint)
