"""Which parts of the method earn their place in the synthetic scenes: the tables of the model card."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from maccap.adaptor.adaptor import Adaptor
from maccap.adaptor.gap import GapCorrection, Statistics
from maccap.adaptor.text_regions import region_draws
from maccap.bundle import Bundle
from maccap.config import DecodingConfig, RegionConfig, TrainingConfig
from maccap.image.features import FeatureExtractor
from maccap.sampler import CandidateSampler
from maccap.scenes.evaluation.held_out_scenes import Outcome, evaluate, render_test_set, retrieve
from maccap.scenes.evaluation.score import Scores, score
from maccap.scenes.training.build import BuiltTowers, cached_tensors
from maccap.scenes.world.scene import Split

NOISE_VARIANCES = (0.0, 0.004, 0.016, 0.032, 0.064)
_GREEDY = {"strategy": "greedy"}
_SAMPLED = {"strategy": "sample", "temperature": 0.7}
_MEMORY, _MEMORY_TEMPERATURE = 20_000, 0.01
_GAP_IMAGES = 1000


class Row(NamedTuple):
    """One line of the table."""

    what: str
    scores: Scores


class Method(NamedTuple):
    """A way to train on text alone. Adaptors of equal `trained_noise`, `copies` and `text` are the same."""

    name: str
    weighting: Literal["none", "softmax", "attention"]
    copies: int  # of the text feature in training, regions of an image
    trained_noise: float
    inference_noise: float
    memory: bool = False
    text: Literal["repeat", "phrases"] = "repeat"
    gap_closed: bool = False  # before the adaptor, by images without captions


class Ablation:
    """The bundle's parts on one test set, each variant a change of one thing from the bundle as it ships.

    Adaptors other than the bundle's are trained `steps` steps each and kept in the towers' work folder.
    Raises ValueError where the bundle was built from other towers, whose features mean something else.
    """

    def __init__(
        self, bundle: Bundle, towers: BuiltTowers, split: Split, count: int, seed: int, steps: int
    ) -> None:
        self.bundle, self.towers, self.seed, self.steps = bundle, towers, seed, steps
        self.clip = bundle.load_clip()
        self.sampler = bundle.load_sampler()
        lm = self.sampler.engine.language_model()
        _require_same("CLIP", self.clip.weights(), towers.clip.weights(), bundle, towers)
        _require_same("language model", lm.weights(), towers.lm.weights(), bundle, towers)
        self.test = render_test_set(split, count, seed, self.clip.pixels)
        self.images = self.clip.encode_image(self.test.pixels)

    def parts(self) -> Iterator[Row]:
        """The bundle's own adaptor with other regions, other decoding, and without reranking."""
        nearest = retrieve(self.clip, self.images, self.towers.captions, self.towers.text_features)
        yield Row("retrieval: nearest training caption by CLIP", score(nearest, self.test.facts))
        shipped = self._outcome()
        yield Row("**as shipped**, best of K by CLIP", shipped.reranked)
        yield Row("first of the K candidates", shipped.first)
        for weighting in ("none", "softmax", "attention"):
            regions = self.bundle.config.regions.model_copy(update={"weighting": weighting})
            same = regions == self.bundle.config.regions
            outcome = shipped if same else self._outcome(regions=regions)
            name = "global feature only" if weighting == "none" else f"regions weighted by {weighting}"
            yield Row(f"{name}, best of K", outcome.reranked)
            yield Row(f"{name}, first", outcome.first)
        for name, change in (("greedy", _GREEDY), ("sampled at temperature 0.7", _SAMPLED)):
            decoding = self.bundle.config.decoding.model_copy(update=change)
            same = decoding == self.bundle.config.decoding
            outcome = shipped if same else self._outcome(decoding=decoding)
            yield Row(f"{name} for each noise draw, best of K", outcome.reranked)
            yield Row(f"{name} for each noise draw, first", outcome.first)

    def noise(self) -> Iterator[Row]:
        """Adaptors trained and run with more and less noise."""
        copies = self.bundle.config.regions.count
        for variance in NOISE_VARIANCES:
            sampler = CandidateSampler(self._adaptor(variance, copies), self.sampler.engine, variance)
            outcome = self._outcome(sampler=sampler)
            yield Row(f"noise {variance:g}, best of K", outcome.reranked)
            yield Row(f"noise {variance:g}, first", outcome.first)

    def methods(self) -> Iterator[Row]:
        """The paper's comparison: MacCap, MacCap without its parts, CapDec and DeCap."""
        noise, copies = self.bundle.config.noise_variance, self.bundle.config.regions.count
        regions = Method("MacCap, regions by attention", "attention", copies, noise, noise)
        for method in (
            Method("MacCap (noise, regions by softmax)", "softmax", copies, noise, noise),
            regions,
            regions._replace(name="regions by attention, trained with phrases", text="phrases"),
            regions._replace(
                name="regions by attention, trained with phrases, gap closed", text="phrases", gap_closed=True
            ),
            Method("without regions", "none", copies, noise, noise),
            Method("without noise", "softmax", copies, 0.0, 0.0),
            Method("CapDec (one noisy feature, none at inference)", "none", 1, noise, 0.0),
            Method("DeCap (projection onto a memory of captions)", "none", copies, 0.0, 0.0, memory=True),
        ):
            adaptor = self._adaptor(method.trained_noise, method.copies, method.text)
            config = RegionConfig(count=method.copies, weighting=method.weighting)
            gap = self._gap(config, method.text) if method.gap_closed else None
            sampler = CandidateSampler(adaptor, self.sampler.engine, method.inference_noise, gap)
            outcome = self._outcome(sampler=sampler, regions=config, memory=method.memory)
            yield Row(method.name, outcome.reranked)

    def _outcome(
        self,
        sampler: CandidateSampler | None = None,
        regions: RegionConfig | None = None,
        decoding: DecodingConfig | None = None,
        memory: bool = False,
    ) -> Outcome:
        sampler = sampler or self.sampler
        decoding = decoding or self.bundle.config.decoding
        if sampler.noise_variance == 0 and decoding.strategy == "greedy":  # all candidates would be equal
            decoding = decoding.model_copy(update={"candidates": 1, "samples_per_draw": 1})
        extract = FeatureExtractor(
            self.clip,
            regions or self.bundle.config.regions,
            self.towers.text_features[:_MEMORY] if memory else None,
            _MEMORY_TEMPERATURE,
        )
        return evaluate(self.test, self.images, extract, sampler, decoding, self.seed)

    def _gap(self, regions: RegionConfig, text: Literal["repeat", "phrases"]) -> GapCorrection:
        """Measured on scenes of the tuning split, and on what the adaptor read of the training captions."""
        seen = render_test_set("tune", _GAP_IMAGES, self.seed, self.clip.pixels)
        images = FeatureExtractor(self.clip, regions)(seen.pixels).features
        texts = self.towers.text_features[:_MEMORY]
        if text == "phrases":
            every = np.arange(len(texts))
            draws = region_draws(self.seed, "statistics", every, regions.count)
            texts = self.towers.phrases.regions(texts, every, draws)
        return GapCorrection(Statistics.of(images), Statistics.of(texts))

    def _adaptor(
        self, variance: float, copies: int, text: Literal["repeat", "phrases"] = "repeat"
    ) -> Adaptor:
        parts = [f"{variance:g}", copies, *([text] if text == "phrases" else []), self.steps]
        name = f"adaptor-{'-'.join(map(str, parts))}-{self.towers.fingerprint}.safetensors"

        def train() -> dict[str, torch.Tensor]:
            return self.towers.train_adaptor(variance, copies, self._training(), text).state_dict()

        adaptor = Adaptor(self.bundle.config.adaptor)
        adaptor.load_state_dict(cached_tensors(self.towers.work / name, train))
        return adaptor.eval()

    def _training(self) -> TrainingConfig:
        shipped = self.bundle.config.training or TrainingConfig()
        return shipped.model_copy(update={"steps": self.steps})


def _require_same(
    what: str, a: dict[str, Tensor], b: dict[str, Tensor], bundle: Bundle, towers: BuiltTowers
) -> None:
    """To half precision, as the bundle may be stored."""
    if a.keys() != b.keys() or not all(torch.equal(a[name].half(), b[name].half()) for name in a):
        raise ValueError(
            f"{towers.work} holds another {what} than the bundle {bundle.folder}, and the two cannot be "
            "mixed. Give the folder that the bundle was built in, or build it anew: "
            f"maccap embed {towers.work}"
        )


def markdown(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    cells = [["variant", *Scores.SHOWN], ["---"] * (1 + len(Scores.SHOWN))]
    cells += [[row.what, *row.scores.shown()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
