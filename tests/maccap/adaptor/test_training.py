"""Training an adaptor on text alone, with real (tiny, random) frozen towers."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from maccap.adaptor.adaptor import Adaptor
from maccap.adaptor.caption_tokens import CaptionTokens
from maccap.adaptor.noise import RegionNoise
from maccap.adaptor.text_regions import distinct_phrases, phrases_of
from maccap.adaptor.training import AdaptorTrainer, TrainingText, text_features
from maccap.config import DecodingConfig, TrainingConfig
from maccap.image.clip import FrozenClip
from maccap.sampler import CandidateSampler
from maccap.text.huggingface_engine import HuggingFaceEngine
from maccap.text.language_model import FrozenLanguageModel

CAPTIONS = ["a red dog", "the cat on a desk", "a small tree", "a car in the street", "a cup and a chair"]
REGIONS, VARIANCE = 3, 1e-4

MakeTrainer = Callable[..., AdaptorTrainer]


@pytest.fixture
def features() -> torch.Tensor:
    return F.normalize(torch.randn(len(CAPTIONS), 32, generator=torch.Generator().manual_seed(0)), dim=-1)


@pytest.fixture
def make_trainer(
    make_lm: Callable[..., FrozenLanguageModel], make_adaptor: Callable[..., Adaptor], features: torch.Tensor
) -> MakeTrainer:
    def make(dropout: float = 0.1, **settings: Any) -> AdaptorTrainer:
        lm = make_lm()
        config = TrainingConfig(
            **{"steps": 300, "batch": 10, "learning_rate": 3e-3, "warmup": 10, "seed": 1} | settings
        )
        text = TrainingText(CaptionTokens(lm, CAPTIONS, config.max_tokens), features)
        return AdaptorTrainer(
            make_adaptor(dropout=dropout),
            lm,
            text,
            regions=REGIONS,
            noise=RegionNoise(VARIANCE),
            config=config,
        )

    return make


def test_an_adaptor_learns_to_write_captions_back(make_trainer: MakeTrainer, features: torch.Tensor) -> None:
    trainer = make_trainer()
    lm, adaptor = trainer.lm, trainer.adaptor
    frozen = {name: value.clone() for name, value in lm.state_dict().items()}
    before = trainer.evaluate(trainer.text)
    figures = [trainer.train_step(step) for step in range(300)]
    assert figures[-1].loss < 0.1 * figures[0].loss
    assert all(torch.equal(value, frozen[name]) for name, value in lm.state_dict().items())
    after = trainer.evaluate(trainer.text)
    assert after.loss < 0.1 * before.loss
    assert after.accuracy > 0.95

    sampler = CandidateSampler(adaptor, HuggingFaceEngine(lm), RegionNoise(VARIANCE))
    decoding = DecodingConfig(candidates=1, strategy="greedy", max_new_tokens=8)
    regions = features[:, None].expand(-1, REGIONS, -1)
    written = sampler(regions, CAPTIONS, 0, decoding)
    assert [row[0].text for row in written] == CAPTIONS


def test_a_resumed_training_takes_the_same_steps(make_trainer: MakeTrainer) -> None:
    through = make_trainer()
    losses = [through.train_step(step).loss for step in range(12)]
    first = make_trainer()
    for step in range(7):
        first.train_step(step)
    resumed = make_trainer()
    resumed.load_state(first.state(), step=7)
    assert [resumed.train_step(step).loss for step in range(7, 12)] == losses[7:]
    for a, b in zip(through.adaptor.parameters(), resumed.adaptor.parameters(), strict=True):
        assert torch.equal(a, b)


def test_parts_of_a_batch_add_up(make_trainer: MakeTrainer) -> None:
    """Captions differ in length, so a mean of the parts' means would be another loss."""
    whole, parts = make_trainer(dropout=0.0), make_trainer(dropout=0.0, accumulate=5)
    for step in range(6):
        together, added = whole.train_step(step), parts.train_step(step)
        assert added.loss == pytest.approx(together.loss, rel=1e-4)
        assert added.accuracy == pytest.approx(together.accuracy)


def test_bfloat16_is_what_the_processor_has(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = make_trainer().train_step(0)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert make_trainer(bfloat16=True).train_step(0) == single
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    half = make_trainer(bfloat16=True).train_step(0)
    assert half.loss != single.loss
    assert half.loss == pytest.approx(single.loss, rel=0.02)


def test_a_model_of_half_weights_trains_on_any_processor(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = make_trainer().train_step(0)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    half = make_trainer(bfloat16=True)
    half.lm.bfloat16()
    assert half.train_step(0).loss == pytest.approx(single.loss, rel=0.05)
    assert half.adaptor.queries.dtype == torch.float32


def test_an_evaluation_changes_nothing(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.train_step(0)
    before = trainer.state()
    assert trainer.evaluate(trainer.text) == trainer.evaluate(trainer.text)
    after = trainer.state()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_text_features_are_in_the_order_of_the_captions(make_clip: Callable[..., FrozenClip]) -> None:
    clip = make_clip()
    captions = [*CAPTIONS, CAPTIONS[0]]
    features = text_features(clip, captions, batch=2)
    torch.testing.assert_close(features.norm(dim=-1), torch.ones(6))
    assert torch.equal(features[0], features[5])
    for caption, feature in zip(captions, features, strict=True):
        torch.testing.assert_close(clip.encode_text([caption])[0].float(), feature, atol=1e-5, rtol=1e-5)


def test_what_does_not_fit_is_refused(make_trainer: MakeTrainer, features: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="multiple of 3"):
        make_trainer(accumulate=3)
    trainer = make_trainer()
    with pytest.raises(ValueError, match="5 captions, but 4 features"):
        AdaptorTrainer(
            trainer.adaptor,
            trainer.lm,
            TrainingText(trainer.text.tokens, features[:4]),
            regions=REGIONS,
            noise=RegionNoise(VARIANCE),
            config=trainer.config,
        )


def test_regions_that_read_parts_are_learnt_and_resumed(
    make_trainer: MakeTrainer, features: torch.Tensor
) -> None:
    texts = distinct_phrases(CAPTIONS)
    parts = F.normalize(torch.randn(len(texts), 32, generator=torch.Generator().manual_seed(3)), dim=-1)
    phrases = phrases_of(CAPTIONS, texts, parts, patch_weight=1.0)
    trainer, again = make_trainer(), make_trainer()
    for each in (trainer, again):
        each.text = each.text._replace(phrases=phrases)
    losses = [trainer.train_step(step).loss for step in range(150)]
    assert losses[-1] < 0.3 * losses[0]
    assert [again.train_step(step).loss for step in range(3)] == losses[:3]
    assert losses[:3] != [make_trainer().train_step(step).loss for step in range(3)]
