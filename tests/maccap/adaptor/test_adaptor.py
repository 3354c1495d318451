"""The adaptor's shapes and names."""

import pytest
import torch

from maccap.adaptor.adaptor import Adaptor
from maccap.config import AdaptorConfig


def test_prefix_shape_and_readable_names() -> None:
    adaptor = Adaptor(AdaptorConfig(clip_dim=32, llm_dim=48, queries=6, heads=4, layers=2))
    assert adaptor(torch.randn(3, 5, 32)).shape == (3, 6, 48)
    assert {name.split(".")[0] for name in adaptor.state_dict()} == {"queries", "decoder", "projection"}


def test_order_of_regions_does_not_matter() -> None:
    torch.manual_seed(0)
    adaptor = Adaptor(AdaptorConfig(clip_dim=32, llm_dim=48, heads=4)).eval()
    features = torch.randn(2, 5, 32)
    torch.testing.assert_close(adaptor(features), adaptor(features[:, [4, 2, 0, 1, 3]]), rtol=1e-4, atol=1e-5)


def test_heads_must_divide() -> None:
    with pytest.raises(ValueError, match=r"multiple of adaptor\.heads"):
        Adaptor(AdaptorConfig(clip_dim=30, llm_dim=8, heads=8))
