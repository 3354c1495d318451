"""Which parts of the method earn their place in the embedded world: the tables of the model card."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from maccap.adaptor import Adaptor
from maccap.bundle import Bundle
from maccap.config import DecodingConfig, RegionConfig
from maccap.sampler import CandidateSampler
from maccap.world.build import Towers, cached_tensors
from maccap.world.evaluation import Outcome, encode_images, evaluate, render_test_set, retrieve
from maccap.world.scene import Split
from maccap.world.score import Scores, score

NOISE_VARIANCES = (0.0, 0.004, 0.016, 0.032, 0.064)
_GREEDY = {"strategy": "greedy"}
_SAMPLED = {"strategy": "sample", "temperature": 0.7}


class Row(NamedTuple):
    """One line of the table."""

    what: str
    scores: Scores


class Ablation:
    """The bundle's parts on one test set, each variant a change of one thing from the bundle as it ships."""

    def __init__(self, bundle: Bundle, towers: Towers, split: Split, count: int, seed: int) -> None:
        self.bundle, self.towers = bundle, towers
        self.clip = bundle.load_clip()
        self.sampler = bundle.load_sampler()
        self.test = render_test_set(split, count, seed, self.clip.pixels)
        self.images = encode_images(self.clip, self.test.pixels)
        self.seed = seed

    def rows(self, noise_steps: int, work: Path) -> Iterator[Row]:
        """Every variant's scores, as they are found. Adaptors for other noise are trained `noise_steps`."""
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
        for variance in NOISE_VARIANCES:
            sampler = CandidateSampler(self._adaptor(variance, noise_steps, work), self.sampler.lm, variance)
            outcome = self._outcome(sampler=sampler)
            yield Row(
                f"trained and run with noise {variance:g} ({noise_steps} steps), best of K", outcome.reranked
            )
            yield Row(f"trained and run with noise {variance:g} ({noise_steps} steps), first", outcome.first)

    def _outcome(
        self,
        sampler: CandidateSampler | None = None,
        regions: RegionConfig | None = None,
        decoding: DecodingConfig | None = None,
    ) -> Outcome:
        return evaluate(
            self.test,
            self.images,
            self.clip,
            sampler or self.sampler,
            regions or self.bundle.config.regions,
            decoding or self.bundle.config.decoding,
            self.seed,
        )

    def _adaptor(self, variance: float, steps: int, work: Path) -> Adaptor:
        path = work / f"adaptor-{variance:g}-{steps}-{self.towers.fingerprint}.safetensors"
        weights = cached_tensors(path, lambda: self.towers.train_adaptor(variance, steps).state_dict())
        adaptor = Adaptor(self.bundle.config.adaptor)
        adaptor.load_state_dict(weights)
        return adaptor.eval()


def markdown(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    head = (
        "| variant | precision | recall | background | count | relation | CIDEr-D |\n" + "|---|" + "---|" * 6
    )
    lines = [
        f"| {row.what} | {row.scores.precision:.3f} | {row.scores.recall:.3f} | {row.scores.background:.3f} "
        f"| {row.scores.count:.3f} | {row.scores.relation:.3f} | {row.scores.cider_d:.2f} |"
        for row in rows
    ]
    return "\n".join([head, *lines])
