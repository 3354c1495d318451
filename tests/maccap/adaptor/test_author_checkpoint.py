"""Checkpoints of the authors' training, read without running what they may carry."""

import argparse
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from maccap.adaptor.author_checkpoint import author_adaptor, load_author_adaptor
from maccap.config import AdaptorConfig

CONFIG = AdaptorConfig(clip_dim=64, llm_dim=64)


@pytest.fixture
def weights(golden: dict[str, Tensor]) -> dict[str, Tensor]:
    """As the authors' model names them, the frozen towers beside them."""
    adaptor = {f"module.{key.removeprefix('adaptor.')}": value for key, value in golden.items()
               if key.startswith("adaptor.")}  # fmt: skip
    return {**adaptor, "module.clip.logit_scale": torch.tensor(1.0)}


def test_sizes_and_weights_come_from_the_file(
    weights: dict[str, Tensor], golden: dict[str, Tensor], tmp_path: Path
) -> None:
    document = {"model": weights, "epoch": 3, "args": argparse.Namespace(lr=1e-4), "optimizer": {"state": {}}}
    torch.save(document, tmp_path / "checkpoint_last.pth")
    adaptor = load_author_adaptor(tmp_path / "checkpoint_last.pth").eval()
    queries, clip_dim = golden["adaptor.query_fusion.weight"].shape
    feedforward = len(golden["adaptor.aligner.layers.0.linear1.bias"])
    expected = AdaptorConfig(clip_dim=clip_dim, llm_dim=64, queries=queries, feedforward=feedforward)
    assert adaptor.config == expected
    plain = {key.removeprefix("adaptor."): value for key, value in golden.items() if "adaptor." in key}
    wanted = author_adaptor(plain, expected)
    for a, b in zip(adaptor.parameters(), wanted.parameters(), strict=True):
        assert torch.equal(a, b)


class _Harm:
    def __reduce__(self) -> tuple:
        return os.system, ("touch harmed",)


def test_a_file_with_code_is_refused_and_not_run(
    weights: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": weights, "hook": _Harm()}, "harm.pth")
    with pytest.raises(ValueError, match=r"harm\.pth holds more than weights"):
        load_author_adaptor("harm.pth")
    assert not Path("harmed").exists()


def test_other_files_are_told_apart(weights: dict[str, Tensor], tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no checkpoint at all")
    (tmp_path / "empty.pth").touch()
    torch.save({"model": {"a": torch.ones(2)}}, tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    part = {key: value for key, value in weights.items() if "align_proj.layers.2" not in key}
    torch.save(part, tmp_path / "part.pth")
    for name, reason in {
        "text.pth": "not loaded|not a PyTorch",
        "empty.pth": "not a PyTorch|not loaded",
        "other.pth": "no adaptor",
        "list.pth": "no adaptor",
        "part.pth": "lacks module.align_proj",
    }.items():
        with pytest.raises(ValueError, match=reason) as caught:
            load_author_adaptor(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_author_checkpoint_with_towers_and_wrapper_prefix(golden: dict[str, Tensor]) -> None:
    plain = {
        key.removeprefix("adaptor."): value for key, value in golden.items() if key.startswith("adaptor.")
    }
    wrapped = {f"module.{key}": value.half() for key, value in plain.items()}
    wrapped["module.clip_model.ln_final.weight"] = torch.ones(3)
    a = author_adaptor(plain, CONFIG).state_dict()
    b = author_adaptor(wrapped, CONFIG).state_dict()
    for key in a:
        torch.testing.assert_close(a[key], b[key], rtol=1e-3, atol=1e-3)


def test_other_weights_are_refused(golden: dict[str, Tensor]) -> None:
    weights = {
        key.removeprefix("adaptor."): value for key, value in golden.items() if key.startswith("adaptor.")
    }
    with pytest.raises(ValueError, match="size mismatch"):
        author_adaptor(weights, CONFIG.model_copy(update={"llm_dim": 32}))
    del weights["query_fusion.weight"]
    with pytest.raises(ValueError, match="queries"):
        author_adaptor(weights, CONFIG)
