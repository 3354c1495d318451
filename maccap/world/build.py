"""Build the embedded bundle from nothing: language model, CLIP, then the adaptor, each kept in a work folder.

A part that is finished there is not trained again, so that the build can be stopped and started.
"""

from hashlib import sha256
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from maccap.adaptor import Adaptor
from maccap.bundle import write_bundle
from maccap.clip import FrozenClip
from maccap.config import (
    AdaptorConfig,
    BundleConfig,
    ClipSource,
    Config,
    DecodingConfig,
    LanguageModelSource,
    RegionConfig,
    TrainingConfig,
)
from maccap.language_model import FrozenLanguageModel
from maccap.training import text_features, train_adaptor
from maccap.world.evaluation import training_captions
from maccap.world.progress import Report
from maccap.world.train_clip import train_clip
from maccap.world.train_language_model import train_language_model

REGIONS = RegionConfig(count=10, weighting="attention")
DECODING = DecodingConfig(candidates=10, strategy="greedy", max_new_tokens=24)


class BuildConfig(Config):
    """How long each part trains; the defaults made the bundle that ships."""

    language_model_steps: int = 4500
    clip_steps: int = 2600
    adaptor_steps: int = 4000
    caption_scenes: int = 20_000
    noise_variance: float = 0.016
    seed: int = 0


class Towers:
    """The two frozen models in a work folder, and the training captions with their text features."""

    def __init__(self, work: Path, config: BuildConfig) -> None:
        self.config = config
        if not _finished(work / "llm"):
            train_language_model(work / "llm", config.language_model_steps, batch=32, seed=config.seed)
            _finish(work / "llm")
        if not _finished(work / "clip"):
            train_clip(work / "clip", config.clip_steps, width=160, layers=4, batch=160, seed=config.seed)
            _finish(work / "clip")
        self.lm = FrozenLanguageModel.load(str(work / "llm"))
        self.clip = FrozenClip.load(str(work / "clip"))
        self.captions = training_captions(config.caption_scenes, config.seed)
        self._cache = work / f"text_features-{config.caption_scenes}-{config.seed}.safetensors"

    def text_features(self) -> Tensor:
        """CLIP text features [captions, D] of the training captions, computed once a work folder."""
        if not self._cache.exists():
            save_file({"features": text_features(self.clip, self.captions)}, self._cache)
        return load_file(self._cache)["features"]

    def train_adaptor(self, noise_variance: float, steps: int) -> Adaptor:
        """An adaptor of the embedded size, trained on the captions with this noise."""
        torch.manual_seed(self.config.seed)
        adaptor = Adaptor(
            AdaptorConfig(
                clip_dim=self.clip.embed_dim,
                llm_dim=self.lm.embedding_dim,
                queries=16,
                feedforward=1024,
                dropout=0.0,
                input_scale=self.clip.embed_dim**0.5,
            )
        )
        train_adaptor(
            adaptor,
            self.lm,
            self.captions,
            self.text_features(),
            regions=REGIONS.count,
            noise_variance=noise_variance,
            config=TrainingConfig(
                steps=steps, batch=128, learning_rate=1e-3, bfloat16=True, seed=self.config.seed
            ),
            report=Report(f"adaptor, noise {noise_variance:g}", steps),
        )
        return adaptor


def build(work: Path, output: Path, config: BuildConfig) -> None:
    """Train what is missing in `work` and write the bundle to `output`, weights in half precision."""
    towers = Towers(work, config)
    adaptor = towers.train_adaptor(config.noise_variance, config.adaptor_steps)
    write_bundle(
        output,
        BundleConfig(
            clip=ClipSource(name="clip"),
            llm=LanguageModelSource(name="llm"),
            adaptor=adaptor.config,
            regions=REGIONS,
            noise_variance=config.noise_variance,
            decoding=DECODING,
            training_data=sha256("\n".join(towers.captions).encode()).hexdigest(),
        ),
        towers.clip,
        towers.lm,
        adaptor,
        half=True,
    )


def _finished(folder: Path) -> bool:
    return (folder / "_FINISHED").exists()


def _finish(folder: Path) -> None:
    (folder / "_FINISHED").touch()
