"""Which parts of the method earn their place in the synthetic scenes: the tables of the model card."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from hashlib import blake2b
from itertools import product
from typing import NamedTuple

import numpy as np
from torch import Tensor

from maccap import __version__
from maccap.adaptor.adaptor import Adaptor
from maccap.adaptor.gap import GapCorrection, Statistics
from maccap.adaptor.noise import RegionNoise, noise_root
from maccap.adaptor.text_regions import region_draws
from maccap.adaptor.training import text_features
from maccap.config import Config, RegionConfig
from maccap.image.clip import ImageTokens
from maccap.image.features import FeatureExtractor
from maccap.sampler import CandidateSampler
from maccap.scenes.evaluation.held_out_scenes import (
    HeldOutScenes,
    Outcome,
    evaluate,
    render_test_set,
    retrieve,
)
from maccap.scenes.evaluation.methods import Method, Spread, Training
from maccap.scenes.evaluation.score import Scores, mean, score
from maccap.scenes.training.build import TRAINING, BuiltTowers, cached_tensors
from maccap.scenes.world.scene import Split
from maccap.text.huggingface_engine import HuggingFaceEngine

_MEMORY, _MEMORY_TEMPERATURE = 20_000, 0.01
_SEEN: tuple[Split, int] = ("tune", 0)  # scenes by split and seed
_TEXTS = 20_000  # that a gap is measured to


class Row(NamedTuple):
    """One line of a table: scores of the best candidates and of the first, with an adaptor of each seed."""

    what: str
    best: list[Scores]
    first: list[Scores]


class _Kept(Config):
    """Scores in the work folder, so that a table that was interrupted is resumed."""

    best: Scores
    first: Scores


class Ablation:
    """Methods between the same towers, on the same test set of `count` scenes.

    Their adaptors are kept in the towers' work folder. The gap is closed by `looked_at` scenes of the tuning
    split, whose captions only noise sees, and by no captions of the method's own; raises ValueError where
    those would be the test set.
    """

    def __init__(
        self,
        towers: BuiltTowers,
        split: Split,
        count: int,
        seed: int,
        *,
        looked_at: int = 1000,
    ) -> None:
        if (split, seed) == _SEEN:
            raise ValueError(
                f"seed {seed} of {split} are the scenes that the gap is learned from; take another"
            )
        self.towers, self._looked_at = towers, looked_at
        self._engine = HuggingFaceEngine(towers.lm)
        self.test = render_test_set(split, count, seed, towers.clip.pixels)
        self._images = towers.clip.encode_image(self.test.pixels)

    def retrieval(self) -> Row:
        """What any method has to beat: the nearest training caption by CLIP."""
        nearest = retrieve(self.towers.clip, self._images, self.towers.captions, self.towers.text_features)
        scores = score(nearest, self.test.facts)
        return Row("retrieval: nearest training caption by CLIP", [scores], [scores])

    def rows(self, methods: Iterable[Method], steps: int, seeds: Sequence[int] = (0,)) -> Iterator[Row]:
        """Each method as it is, and with the gap closed before the adaptor; with adaptors of so many steps,
        one for each of the `seeds`.
        """
        for method, closed in product(methods, (False, True)):
            scores = [self._scores(method, steps, seed, closed) for seed in seeds]
            name = f"{method.name}; gap closed by the nearest captions" if closed else method.name
            yield Row(name, [kept.best for kept in scores], [kept.first for kept in scores])

    def _scores(self, method: Method, steps: int, seed: int, closed: bool) -> _Kept:
        parts = (
            method[1:],
            seed,
            closed,
            steps,
            self._looked_at,
            __version__,
            self.test.ids,
            self._digest,
        )
        path = self.towers.work / f"scores-{_key(*parts)}.json"
        if path.exists():
            return _Kept.model_validate_json(path.read_text())
        outcome = self._outcome(method, steps, seed, closed)
        kept = _Kept(best=outcome.reranked, first=outcome.first)
        partial = path.with_suffix(".partial")
        partial.write_text(kept.model_dump_json() + "\n")
        partial.replace(path)
        return kept

    def _outcome(self, method: Method, steps: int, seed: int, closed: bool) -> Outcome:
        regions = RegionConfig(count=method.training.copies, weighting=method.weighting)
        memory = self.towers.text_features[:_MEMORY] if method.memory else None
        extract = FeatureExtractor(self.towers.clip, regions, memory, _MEMORY_TEMPERATURE)
        noise = self._noise(method.training)
        if not method.noisy_images:
            noise = noise._replace(variance=0.0)
        sampler = CandidateSampler(self._adaptor(method.training, steps, seed), self._engine, noise)
        decoding = method.decoding
        if noise.variance == 0 and decoding.strategy == "greedy":  # all candidates would be equal
            decoding = decoding.model_copy(update={"candidates": 1, "samples_per_draw": 1})
        if closed:
            images, texts = extract.of_tokens(self._seen_images), self._texts(method.training)
            sampler.gap = GapCorrection.by_captions(images.features, texts, extract.clip.logit_scale)
        return evaluate(self.test, self._images, extract, sampler, decoding, rerank=method.rerank)

    def _texts(self, training: Training) -> Tensor:
        """Some of what the adaptor read of the training captions [M, D]."""
        texts = self.towers.text_features[:_TEXTS]
        if training.text == "phrases":
            every = np.arange(len(texts))
            draws = region_draws(0, "statistics", every, training.copies)
            texts = self.towers.phrases.regions(texts, every, draws)
        sample = Statistics.of(texts).sample
        assert sample is not None
        return sample.float()

    @cached_property
    def _seen(self) -> HeldOutScenes:
        return render_test_set(_SEEN[0], self._looked_at, _SEEN[1], self.towers.clip.pixels)

    @cached_property
    def _seen_images(self) -> ImageTokens:
        return self.towers.clip.encode_image(self._seen.pixels)

    @cached_property
    def _digest(self) -> str:
        """Of what all scores depend on beside the method: both towers and the training captions."""
        digest = blake2b(self.towers.fingerprint.encode(), digest_size=8)
        for _, value in sorted(self.towers.clip.weights().items()):
            digest.update(value.numpy().tobytes())
        return digest.hexdigest()

    def _noise(self, training: Training) -> RegionNoise:
        return RegionNoise(training.noise_variance, training.noise_shared, self._root(training.spread))

    def _root(self, spread: Spread) -> Tensor | None:
        match spread:
            case "isotropic":
                return None
            case "paraphrases":
                return self.towers.paraphrase_root
            case "pairs":
                return self._pairs_root

    @cached_property
    def _pairs_root(self) -> Tensor:
        captions = [facts.captions[0] for facts in self._seen.facts]
        return noise_root(self._seen_images.global_ - text_features(self.towers.clip, captions))

    def _adaptor(self, training: Training, steps: int, seed: int) -> Adaptor:
        config = TRAINING.model_copy(update={"steps": steps, "seed": seed})
        of_pairs = (self._looked_at, self._digest) if training.spread == "pairs" else ()
        name = f"adaptor-{_key(training, config, self.towers.fingerprint, *of_pairs)}.safetensors"

        def train() -> dict[str, Tensor]:
            noise = self._noise(training)
            return self.towers.train_adaptor(noise, training.copies, config, training.text).state_dict()

        adaptor = Adaptor(self.towers.adaptor_config())
        adaptor.load_state_dict(cached_tensors(self.towers.work / name, train))
        return adaptor.eval()


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table: means over seeds, and CIDEr-D of each beside."""
    head = ["variant", *Scores.SHOWN, "CIDEr-D of the first"]
    lines = [head, ["---"] * len(head), *([row.what, *_cells(row)] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row) -> list[str]:
    *parts, _ = mean(row.best).shown()
    return [*parts, *map(_cider_d, (row.best, row.first))]


def _cider_d(scores: list[Scores]) -> str:
    told = f"{mean(scores).cider_d:.2f}"
    return told if len(scores) == 1 else f"{told} ({', '.join(f'{one.cider_d:.2f}' for one in scores)})"


def _key(*parts: object) -> str:
    return blake2b(repr(parts).encode(), digest_size=8).hexdigest()
