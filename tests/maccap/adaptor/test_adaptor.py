"""The adaptor's shapes, names and import of the authors' checkpoints."""

import pytest
import torch
from torch import Tensor

from maccap.adaptor.adaptor import Adaptor
from maccap.config import AdaptorConfig

CONFIG = AdaptorConfig(clip_dim=64, llm_dim=64)


def test_prefix_shape_and_readable_names() -> None:
    adaptor = Adaptor(AdaptorConfig(clip_dim=32, llm_dim=48, queries=6, heads=4, layers=2))
    assert adaptor(torch.randn(3, 5, 32)).shape == (3, 6, 48)
    assert {name.split(".")[0] for name in adaptor.state_dict()} == {"queries", "decoder", "projection"}


def test_order_of_regions_does_not_matter() -> None:
    torch.manual_seed(0)
    adaptor = Adaptor(AdaptorConfig(clip_dim=32, llm_dim=48, heads=4)).eval()
    features = torch.randn(2, 5, 32)
    torch.testing.assert_close(adaptor(features), adaptor(features[:, [4, 2, 0, 1, 3]]), rtol=1e-4, atol=1e-5)


def author_weights(golden: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key[len("adaptor.") :]: value for key, value in golden.items() if key.startswith("adaptor.")}


def test_author_checkpoint_with_towers_and_wrapper_prefix(golden: dict[str, Tensor]) -> None:
    plain = {
        key.removeprefix("adaptor."): value for key, value in golden.items() if key.startswith("adaptor.")
    }
    wrapped = {f"module.{key}": value.half() for key, value in plain.items()}
    wrapped["module.clip_model.ln_final.weight"] = torch.ones(3)
    a = Adaptor.from_author_state_dict(plain, CONFIG).state_dict()
    b = Adaptor.from_author_state_dict(wrapped, CONFIG).state_dict()
    for key in a:
        torch.testing.assert_close(a[key], b[key], rtol=1e-3, atol=1e-3)


def test_other_weights_are_refused(golden: dict[str, Tensor]) -> None:
    weights = {
        key.removeprefix("adaptor."): value for key, value in golden.items() if key.startswith("adaptor.")
    }
    with pytest.raises(ValueError, match="size mismatch"):
        Adaptor.from_author_state_dict(weights, CONFIG.model_copy(update={"llm_dim": 32}))
    del weights["query_fusion.weight"]
    with pytest.raises(ValueError, match="queries"):
        Adaptor.from_author_state_dict(weights, CONFIG)


def test_heads_must_divide() -> None:
    with pytest.raises(ValueError, match=r"multiple of adaptor\.heads"):
        Adaptor(AdaptorConfig(clip_dim=30, llm_dim=8, heads=8))
