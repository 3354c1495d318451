"""Build the embedded bundle from nothing: language model, CLIP, then the adaptor, each kept in a work folder.

A part that is finished there is not trained again, so that the build can be stopped and started.
"""

import json
from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from maccap.adaptor import Adaptor
from maccap.bundle import write_bundle
from maccap.caption_tokens import CaptionTokens
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
from maccap.training import AdaptorTrainer, TrainingText, text_features
from maccap.world.evaluation import training_captions
from maccap.world.progress import Report
from maccap.world.train_clip import train_image_tower, train_text_tower
from maccap.world.train_language_model import train_language_model

REGIONS = RegionConfig(count=10, weighting="none")  # regions do not help in this world: see the card
BUILD_FILE, _MARKER = "build.json", "_FINISHED"

DECODING = DecodingConfig(candidates=10, strategy="greedy", max_new_tokens=24)


class BuildConfig(Config):
    """How long each part trains; the defaults made the bundle that ships."""

    language_model_steps: int = 6000
    clip_text_steps: int = 1200
    clip_image_steps: int = 3000
    adaptor_steps: int = 3600
    caption_scenes: int = 20_000
    noise_variance: float = 0.032
    seed: int = 0


class Towers:
    """The two frozen models in a work folder, and the training captions with their text features.

    Raises ValueError where the folder holds a model that was trained with other settings.
    """

    def __init__(self, work: Path, config: BuildConfig) -> None:
        self.work, self.config = work, config
        llm, clip, seed = work / "llm", work / "clip", config.seed
        if not _finished(llm, steps=config.language_model_steps, seed=seed):
            train_language_model(llm, config.language_model_steps, batch=32, seed=seed)
            _finish(llm, steps=config.language_model_steps, seed=seed)
        steps = {"text_steps": config.clip_text_steps, "image_steps": config.clip_image_steps, "seed": seed}
        if not _finished(clip, **steps):
            train_text_tower(clip, config.clip_text_steps, width=160, layers=5, embed_dim=256, seed=seed)
            train_image_tower(clip, config.clip_image_steps, seed=seed)
            _finish(clip, **steps)
        self.lm = FrozenLanguageModel.load(str(llm))
        self.clip = FrozenClip.load(str(clip))
        self.captions = training_captions(config.caption_scenes, seed)

    @cached_property
    def fingerprint(self) -> str:
        """Of both models' weights and the captions: what text features and adaptors depend on."""
        digest = sha256("\n".join(self.captions).encode())
        for path in sorted(self.work.glob("*/*.safetensors")):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]

    @cached_property
    def text_features(self) -> Tensor:
        """CLIP text features [captions, D] of the training captions, computed once for these weights."""
        path = self.work / f"text_features-{self.fingerprint}.safetensors"
        return cached_tensors(path, lambda: {"features": text_features(self.clip, self.captions)})["features"]

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
        training = TrainingConfig(
            steps=steps, batch=128, learning_rate=1.5e-3, bfloat16=True, seed=self.config.seed
        )
        tokens = CaptionTokens(self.lm, self.captions, training.max_tokens)
        trainer = AdaptorTrainer(
            adaptor,
            self.lm,
            TrainingText(tokens, self.text_features),
            regions=REGIONS.count,
            noise_variance=noise_variance,
            config=training,
        )
        report = Report(f"adaptor, noise {noise_variance:g}", steps)
        for step in range(steps):
            report(step, **trainer.train_step(step)._asdict())
        adaptor.eval()
        return adaptor


def build(work: Path, output: Path, config: BuildConfig) -> None:
    """Train what is missing in `work` and write the bundle to `output`, weights in half precision."""
    towers = Towers(work, config)
    (work / BUILD_FILE).write_text(config.model_dump_json(indent=2) + "\n")
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


def cached_tensors(path: Path, compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors in `path`, first computed and kept there (whole or not at all) if need be."""
    if not path.exists():
        partial = path.with_suffix(".partial")
        save_file({name: value.detach().contiguous() for name, value in compute().items()}, partial)
        partial.replace(path)
    return load_file(path)


def _finished(folder: Path, **settings: int) -> bool:
    marker = folder / _MARKER
    if not marker.exists():
        return False
    if (recorded := json.loads(marker.read_text())) != settings:
        raise ValueError(
            f"{folder} was trained with {recorded}, not {settings}; remove it or use another work folder"
        )
    return True


def _finish(folder: Path, **settings: int) -> None:
    (folder / _MARKER).write_text(json.dumps(settings) + "\n")
