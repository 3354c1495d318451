"""What a worker needs to begin, as plain data, and the parts it loads from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from maccap.adaptor.adaptor import Adaptor
from maccap.adaptor.caption_tokens import CaptionTokens
from maccap.adaptor.gap import Statistics
from maccap.adaptor.noise import RegionNoise
from maccap.adaptor.text_regions import Phrases, phrases_of, region_draws
from maccap.adaptor.training import AdaptorTrainer, TrainingText
from maccap.sampler import CandidateSampler
from maccap.text.huggingface_engine import HuggingFaceEngine
from maccap.text.language_model import FrozenLanguageModel
from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe
from pipeline.texts import hold_out
from pipeline.train.facts import TrainFacts
from pipeline.train.feature_cache import FeatureCache
from pipeline.train.history import HeldOut, Reconstruction
from pipeline.train.towers import Towers

_STATISTICS_OF = 10_000  # captions


@dataclass(frozen=True)
class TrainingWork:
    """One run. Its caches are complete."""

    output: str
    facts: TrainFacts
    towers: Towers
    cache: FeatureCache
    phrases: FeatureCache | None  # of the captions' parts, where regions read them
    noise_root: NDArray[np.float32] | None  # of noise that is not the same in every direction
    evaluate_every: int
    checkpoint_every: int
    samples: int

    def noise(self, variance: float) -> RegionNoise:
        """Of this variance, otherwise as the run's."""
        root = None if self.noise_root is None else torch.from_numpy(self.noise_root)
        return RegionNoise(variance, self.facts.noise_shared, root)


class Trainee:
    """Language model, adaptor and captions of one worker. Raises UserError where they do not go together."""

    def __init__(self, work: TrainingWork, runtime: TorchRuntime, rank: int = 0, world: int = 1) -> None:
        device, dtype = runtime.apply()
        facts = work.facts
        texts, features = work.cache.texts(), work.cache.features()
        division = hold_out(texts, facts.held_out)
        self.lm = work.towers.load_lm(device, dtype)
        self.held_out_captions = [texts[row] for row in division.held_out]
        captions = [texts[row] for row in division.training]
        most = facts.training.max_tokens
        self.held_out = TrainingText(
            CaptionTokens(self.lm, self.held_out_captions, most),
            features.of(division.held_out),
            _phrases(work.phrases, self.held_out_captions, facts),
        )
        try:
            self.adaptor = _first_adaptor(work, features.dim, self.lm).to(device)
            self.trainer = AdaptorTrainer(
                self.adaptor,
                self.lm,
                TrainingText(
                    CaptionTokens(self.lm, captions, most),
                    features.of(division.training),
                    _phrases(work.phrases, captions, facts),
                ),
                regions=facts.regions.count,
                noise=work.noise(facts.noise_variance),
                config=facts.training,
                rank=rank,
                world=world,
            )
        except ValueError as error:
            raise UserError(f"the settings do not fit the models: {describe(error)}") from None
        self._work = work

    def evaluate(self, with_samples: bool) -> HeldOut | None:
        """Of the held-out captions, if there are any; every worker has to take part."""
        if not self.held_out_captions:
            return None
        figures = self.trainer.evaluate(self.held_out)
        samples = self._reconstructions() if with_samples else []
        return HeldOut(loss=figures.loss, accuracy=figures.accuracy, samples=samples)

    def _reconstructions(self) -> list[Reconstruction]:
        facts = self._work.facts
        captions = self.held_out_captions[: self._work.samples]
        if not captions:
            return []
        rows = np.arange(len(captions))
        regions = self.trainer.regions_of(self.held_out, rows, "samples", rows)
        decoding = facts.decoding.model_copy(
            update={"candidates": 1, "samples_per_draw": 1, "strategy": "greedy"}
        )
        noise = self._work.noise(facts.captioning_noise)
        sampler = CandidateSampler(self.adaptor, HuggingFaceEngine(self.lm), noise)
        written = sampler(regions, captions, facts.training.seed, decoding)
        return [
            Reconstruction(caption=caption, written=candidates[0].text)
            for caption, candidates in zip(captions, written, strict=True)
        ]


def text_statistics(work: TrainingWork, training: Sequence[int]) -> Statistics:
    """Of what the adaptor reads of some training captions, without noise. Raises RunError."""
    facts, cache = work.facts, work.cache
    numbers = np.random.default_rng(facts.training.seed)
    rows = np.sort(numbers.choice(training, min(_STATISTICS_OF, len(training)), replace=False))
    features, texts = cache.features().of(rows), cache.texts()
    read, every = features[torch.arange(len(rows))].float(), np.arange(len(rows))
    phrases = _phrases(work.phrases, [texts[row] for row in rows], facts)
    if phrases is not None:
        draws = region_draws(facts.training.seed, "statistics", every, facts.regions.count)
        read = phrases.regions(read, every, draws)
    return Statistics.of(read)


def _phrases(parts: FeatureCache | None, captions: list[str], facts: TrainFacts) -> Phrases | None:
    """The parts of `captions`, with their features. Raises RunError."""
    if parts is None:
        return None
    return phrases_of(captions, parts.texts(), parts.features(), facts.regions.patch_weight)


def _first_adaptor(work: TrainingWork, clip_dim: int, lm: FrozenLanguageModel) -> Adaptor:
    """The adaptor before the first step. Raises ValueError."""
    config = work.facts.adaptor.between(clip_dim, lm.embedding_dim)
    torch.manual_seed(work.facts.training.seed)
    adaptor = Adaptor(config)
    if work.facts.start is not None and work.towers.bundle is not None:
        try:
            adaptor.load_state_dict(work.towers.bundle.load_adaptor().state_dict())
        except RuntimeError:
            raise ValueError("--warm-start needs an adaptor of the bundle's own sizes") from None
    return adaptor
