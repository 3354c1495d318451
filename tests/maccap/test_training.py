"""Training an adaptor on text alone, with real (tiny, random) frozen towers."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from maccap.adaptor import Adaptor
from maccap.clip import FrozenClip
from maccap.config import DecodingConfig, TrainingConfig
from maccap.language_model import FrozenLanguageModel
from maccap.sampler import CandidateSampler
from maccap.training import text_features, train_adaptor

CAPTIONS = ["a red dog", "the cat on a desk", "a small tree", "a car in the street", "a cup and a chair"]
REGIONS, VARIANCE = 3, 1e-4


def _train(lm: FrozenLanguageModel, adaptor: Adaptor, features: torch.Tensor, steps: int) -> list[float]:
    losses: list[float] = []
    config = TrainingConfig(steps=steps, batch=5, learning_rate=3e-3, warmup=10, seed=1)
    train_adaptor(adaptor, lm, CAPTIONS, features, regions=REGIONS, noise_variance=VARIANCE, config=config,
                  report=lambda step, loss, accuracy: losses.append(loss))  # fmt: skip
    return losses


@pytest.fixture
def features() -> torch.Tensor:
    return F.normalize(torch.randn(len(CAPTIONS), 32, generator=torch.Generator().manual_seed(0)), dim=-1)


def test_an_adaptor_learns_to_write_captions_back(
    make_lm: Callable[..., FrozenLanguageModel], make_adaptor: Callable[..., Adaptor], features: torch.Tensor
) -> None:
    lm, adaptor = make_lm(), make_adaptor()
    frozen = {name: value.clone() for name, value in lm.state_dict().items()}
    losses = _train(lm, adaptor, features, 300)
    assert losses[-1] < 0.1 * losses[0]
    assert not adaptor.training
    assert all(torch.equal(value, frozen[name]) for name, value in lm.state_dict().items())

    sampler = CandidateSampler(adaptor, lm, VARIANCE)
    decoding = DecodingConfig(candidates=1, strategy="greedy", max_new_tokens=8)
    regions = features[:, None].expand(-1, REGIONS, -1)
    written = sampler(regions, CAPTIONS, 0, decoding)
    assert [row[0].text for row in written] == CAPTIONS


def test_the_same_seed_trains_the_same_adaptor(
    make_lm: Callable[..., FrozenLanguageModel], make_adaptor: Callable[..., Adaptor], features: torch.Tensor
) -> None:
    lm, first, second = make_lm(), make_adaptor(), make_adaptor()
    assert _train(lm, first, features, 4) == _train(lm, second, features, 4)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_text_features_are_in_the_order_of_the_captions(make_clip: Callable[..., FrozenClip]) -> None:
    clip = make_clip()
    captions = [*CAPTIONS, CAPTIONS[0]]
    features = text_features(clip, captions, batch=2)
    torch.testing.assert_close(features.norm(dim=-1), torch.ones(6))
    assert torch.equal(features[0], features[5])
    for caption, feature in zip(captions, features, strict=True):
        torch.testing.assert_close(clip.encode_text([caption])[0].float(), feature, atol=1e-5, rtol=1e-5)


def test_captions_without_features_are_refused(
    make_lm: Callable[..., FrozenLanguageModel], make_adaptor: Callable[..., Adaptor], features: torch.Tensor
) -> None:
    with pytest.raises(ValueError, match="5 captions, but 4 features"):
        _train(make_lm(), make_adaptor(), features[:4], 1)
