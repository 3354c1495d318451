"""The built-in model's two frozen towers, trained from nothing in a work folder, and captions beside them.

The adaptor between them is trained from those captions as any other bundle's is. A part that is finished is
not trained again, so that the build can be stopped and started.
"""

import json
from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from maccap.adaptor.adaptor import Adaptor
from maccap.adaptor.caption_tokens import CaptionTokens
from maccap.adaptor.gap import SAMPLE
from maccap.adaptor.noise import RegionNoise, noise_root, paraphrase_pairs
from maccap.adaptor.text_regions import Phrases, distinct_phrases, phrases_of
from maccap.adaptor.training import AdaptorTrainer, TrainingText, text_features
from maccap.config import (
    AdaptorConfig,
    Config,
    DecodingConfig,
    GapConfig,
    RegionConfig,
    RerankConfig,
    TrainingConfig,
)
from maccap.image.clip import FrozenClip
from maccap.scenes.training.contrast import ContrastTraining
from maccap.scenes.training.image_tuning import tune_image_tower
from maccap.scenes.training.progress import ProgressReport
from maccap.scenes.training.train_clip import train_image_tower, train_text_tower
from maccap.scenes.training.train_language_model import train_language_model
from maccap.scenes.world.facts import scenes_with_facts
from maccap.text.language_model import FrozenLanguageModel

Supervision = Literal["facts", "contrast"]
"""What CLIP learns from: all facts of a scene, until image and caption coincide, or captions alone."""


DECODING = DecodingConfig(candidates=10, strategy="greedy", max_new_tokens=24)


class Recipe(NamedTuple):
    """What suits a CLIP, and the name of its bundle: see the card there. The paper's noise is for 512
    dimensions.
    """

    bundle: str
    regions: RegionConfig
    noise_variance: float
    noise_shared: float | None = None
    gap: GapConfig | None = None  # closed by scenes of the tuning split, without captions
    rerank: RerankConfig = RerankConfig()
    decoding: DecodingConfig = DECODING


RECIPES: dict[Supervision, Recipe] = {
    "facts": Recipe("scenes", RegionConfig(count=10, weighting="none"), 0.004),
    "contrast": Recipe(
        "scenes-contrast",
        RegionConfig(count=10, weighting="attention"),
        noise_variance=0.004,
        noise_shared=0.9,
        gap=GapConfig(images=2000, captions=SAMPLE, rounds=5),
        rerank=RerankConfig(closed_gap=True, logprob_weight=0.025),
        decoding=DECODING.model_copy(update={"candidates": 80, "strategy": "sample", "temperature": 0.4}),
    ),
}
ADAPTOR = {"queries": 16, "feedforward": 1024, "dropout": 0.0}
TRAINING = TrainingConfig(steps=3600, batch=128, learning_rate=2e-3, bfloat16=True)
CLIP_SIZES: dict[str, int] = {"width": 160, "layers": 5, "embed_dim": 192}
CLIP, LANGUAGE_MODEL, BUNDLE, CAPTIONS = "clip", "llm", "bundle", "captions.jsonl"
BUILD_FILE, _MARKER = "build.json", "_FINISHED"


class BuildConfig(Config):
    """How long each tower trains, and on how many scenes' captions the adaptor."""

    language_model_steps: int = 6000
    clip_text_steps: int = 1250
    clip_image_steps: int = 5000
    clip_contrast_steps: int = 5900
    clip_tuning_steps: int = 1920
    caption_scenes: int = 20_000
    clip: Supervision = "facts"
    seed: int = 0

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.clip]

    def language_model_settings(self) -> dict[str, int]:
        """What decides the language model."""
        return {"steps": self.language_model_steps, "seed": self.seed}

    def clip_settings(self) -> dict[str, int]:
        """What decides CLIP."""
        if self.clip == "contrast":
            steps = {"contrast_steps": self.clip_contrast_steps, "tuning_steps": self.clip_tuning_steps}
        else:
            steps = {"text_steps": self.clip_text_steps, "image_steps": self.clip_image_steps}
        return {**steps, "seed": self.seed}

    def scaled(self, factor: float) -> Self:
        """Trained `factor` times as long, two steps at least; on fewer captions too where it is below 1."""
        steps = [name for name in type(self).model_fields if name.endswith("_steps")]
        longer = {name: max(2, round(getattr(self, name) * factor)) for name in steps}
        scenes = max(100, round(self.caption_scenes * min(1.0, factor)))
        return self.model_copy(update=longer | {"caption_scenes": scenes})


class BuiltTowers:
    """The two frozen models in a work folder, and the training captions with their text features; in
    `paraphrases` [n, 2], the rows of captions of one scene.

    Raises ValueError where the folder holds a model that was trained with other settings.
    """

    def __init__(self, work: Path, config: BuildConfig) -> None:
        self.work, self.config = work, config
        llm, clip, seed = work / LANGUAGE_MODEL, work / CLIP, config.seed
        has_llm = _finished(llm, config.language_model_settings())
        has_clip = _finished(clip, config.clip_settings())
        if not (has_llm and has_clip) and (work / BUNDLE).exists():
            raise ValueError(
                f"{work / BUNDLE} was trained between other towers; remove it or use another work folder"
            )
        if not has_llm:
            train_language_model(llm, config.language_model_steps, batch=32, seed=seed)
            _finish(llm, config.language_model_settings())
        if not has_clip:
            self._train_clip(clip)
            _finish(clip, config.clip_settings())
        self.lm = FrozenLanguageModel.load(str(llm))
        self.clip = FrozenClip.load(str(clip))
        told = [facts.captions for _, facts in scenes_with_facts("train", config.caption_scenes, seed)]
        scene_of: dict[str, int] = {}
        for scene, texts in enumerate(told):
            for text in texts:
                scene_of.setdefault(text, scene)
        self.captions = list(scene_of)
        self.paraphrases = paraphrase_pairs(np.array(list(scene_of.values()), dtype=np.uint64))
        (work / CAPTIONS).write_text("".join(json.dumps({"captions": texts}) + "\n" for texts in told))
        (work / BUILD_FILE).write_text(config.model_dump_json(indent=2) + "\n")

    def _train_clip(self, folder: Path) -> None:
        config = self.config
        if config.clip == "contrast":
            training = ContrastTraining(folder, config.clip_contrast_steps, **CLIP_SIZES, seed=config.seed)
            training.train()
            training.save()  # a tuning that was stopped begins anew
            tune_image_tower(folder, config.clip_tuning_steps, seed=config.seed)
            return
        train_text_tower(folder, config.clip_text_steps, **CLIP_SIZES, seed=config.seed)
        train_image_tower(folder, config.clip_image_steps, seed=config.seed)

    @cached_property
    def fingerprint(self) -> str:
        """Of the language model, CLIP's text tower and the captions: what adaptors depend on."""
        digest = sha256("\n".join(self.captions).encode())
        for tower in (self.lm, self.clip):
            for name, value in sorted(tower.weights().items()):
                if not name.startswith("visual."):
                    digest.update(value.numpy().tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def text_features(self) -> Tensor:
        """CLIP text features [captions, D] of the training captions, computed once for these weights."""
        path = self.work / f"text_features-{self.fingerprint}.safetensors"
        return cached_tensors(path, lambda: {"features": text_features(self.clip, self.captions)})["features"]

    @cached_property
    def paraphrase_root(self) -> Tensor:
        """Of noise that varies as captions of one scene do [D, D]."""
        first, second = (self.text_features[rows] for rows in self.paraphrases.T)
        return noise_root(first - second)

    def adaptor_config(self) -> AdaptorConfig:
        """Of an adaptor of the built-in size between these towers."""
        dim = self.clip.embed_dim
        sizes = {"clip_dim": dim, "llm_dim": self.lm.embedding_dim, "input_scale": dim**0.5, **ADAPTOR}
        return AdaptorConfig.model_validate(sizes)

    @cached_property
    def phrases(self) -> Phrases:
        """The parts of the training captions."""
        texts = distinct_phrases(self.captions)
        return phrases_of(self.captions, texts, text_features(self.clip, texts), RegionConfig().patch_weight)

    def train_adaptor(
        self,
        noise: RegionNoise,
        copies: int,
        training: TrainingConfig,
        text: Literal["repeat", "phrases"] = "repeat",
    ) -> Adaptor:
        """An adaptor trained on the captions, each feature `copies` times with `noise`, and with `phrases`
        each beside one of the caption's parts.
        """
        torch.manual_seed(training.seed)
        adaptor = Adaptor(self.adaptor_config())
        tokens = CaptionTokens(self.lm, self.captions, training.max_tokens)
        phrases = self.phrases if text == "phrases" else None
        trainer = AdaptorTrainer(
            adaptor,
            self.lm,
            TrainingText(tokens, self.text_features, phrases),
            regions=copies,
            noise=noise,
            config=training,
        )
        report = ProgressReport(f"adaptor, noise {noise.variance:g}, {copies} copies", training.steps)
        for step in range(training.steps):
            report(step, **trainer.train_step(step)._asdict())
        return adaptor.eval()


def cached_tensors(path: Path, compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors in `path`, first computed and kept there (whole or not at all) if need be."""
    if not path.exists():
        partial = path.with_suffix(".partial")
        save_file({name: value.detach().contiguous() for name, value in compute().items()}, partial)
        partial.replace(path)
    return load_file(path)


def mark_finished(work: Path, config: BuildConfig) -> None:
    """Both towers in `work` are those of `config`, and not to be trained again."""
    _finish(work / LANGUAGE_MODEL, config.language_model_settings())
    _finish(work / CLIP, config.clip_settings())


def _finished(folder: Path, settings: dict[str, int]) -> bool:
    marker = folder / _MARKER
    if not marker.exists():
        return False
    recorded = json.loads(marker.read_text())
    if recorded.items() < settings.items():  # by a version that had no such stage
        return False
    if recorded != settings:
        raise ValueError(
            f"{folder} was trained with {recorded}, not {settings}; remove it or use another work folder"
        )
    return True


def _finish(folder: Path, settings: dict[str, int]) -> None:
    (folder / _MARKER).write_text(json.dumps(settings) + "\n")
