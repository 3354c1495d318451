"""The built-in model's two frozen towers, trained from nothing in a work folder, and captions beside them.

The adaptor between them is trained from those captions as any other bundle's is. A part that is finished is
not trained again, so that the build can be stopped and started.
"""

import json
from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from maccap.adaptor.adaptor import Adaptor
from maccap.adaptor.caption_tokens import CaptionTokens
from maccap.adaptor.training import AdaptorTrainer, TrainingText, text_features
from maccap.config import AdaptorConfig, Config, DecodingConfig, RegionConfig, TrainingConfig
from maccap.image.clip import FrozenClip
from maccap.scenes.training.progress import ProgressReport
from maccap.scenes.training.train_clip import train_image_tower, train_text_tower
from maccap.scenes.training.train_language_model import train_language_model
from maccap.scenes.world.facts import split_captions
from maccap.text.language_model import FrozenLanguageModel

REGIONS = RegionConfig(count=10, weighting="none")  # regions do not help in this world: see the card
NOISE_VARIANCE = 0.004  # that of the paper is for 512 dimensions: see the card
DECODING = DecodingConfig(candidates=10, strategy="greedy", max_new_tokens=24)
ADAPTOR = {"queries": 16, "feedforward": 1024, "dropout": 0.0}
TRAINING = TrainingConfig(steps=3600, batch=128, learning_rate=2e-3, bfloat16=True)
CLIP, LANGUAGE_MODEL, CAPTIONS = "clip", "llm", "captions.txt"
BUILD_FILE, _MARKER = "build.json", "_FINISHED"


class BuildConfig(Config):
    """How long each tower trains, and on how many scenes' captions the adaptor."""

    language_model_steps: int = 6000
    clip_text_steps: int = 1250
    clip_image_steps: int = 5000
    caption_scenes: int = 20_000
    seed: int = 0

    def scaled(self, factor: float) -> Self:
        """Trained `factor` times as long, two steps at least; on fewer captions too where it is below 1."""
        steps = ("language_model_steps", "clip_text_steps", "clip_image_steps")
        longer = {name: max(2, round(getattr(self, name) * factor)) for name in steps}
        scenes = max(100, round(self.caption_scenes * min(1.0, factor)))
        return self.model_copy(update=longer | {"caption_scenes": scenes})


class BuiltTowers:
    """The two frozen models in a work folder, and the training captions with their text features.

    Raises ValueError where the folder holds a model that was trained with other settings.
    """

    def __init__(self, work: Path, config: BuildConfig) -> None:
        self.work, self.config = work, config
        llm, clip, seed = work / LANGUAGE_MODEL, work / CLIP, config.seed
        if not _finished(llm, steps=config.language_model_steps, seed=seed):
            train_language_model(llm, config.language_model_steps, batch=32, seed=seed)
            _finish(llm, steps=config.language_model_steps, seed=seed)
        steps = {"text_steps": config.clip_text_steps, "image_steps": config.clip_image_steps, "seed": seed}
        if not _finished(clip, **steps):
            train_text_tower(clip, config.clip_text_steps, width=160, layers=5, embed_dim=192, seed=seed)
            train_image_tower(clip, config.clip_image_steps, seed=seed)
            _finish(clip, **steps)
        self.lm = FrozenLanguageModel.load(str(llm))
        self.clip = FrozenClip.load(str(clip))
        self.captions = list(dict.fromkeys(split_captions("train", config.caption_scenes, seed)))
        (work / CAPTIONS).write_text("".join(f"{text}\n" for text in self.captions))
        (work / BUILD_FILE).write_text(config.model_dump_json(indent=2) + "\n")

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

    def adaptor_config(self) -> AdaptorConfig:
        """Of an adaptor of the built-in size between these towers."""
        dim = self.clip.embed_dim
        sizes = {"clip_dim": dim, "llm_dim": self.lm.embedding_dim, "input_scale": dim**0.5, **ADAPTOR}
        return AdaptorConfig.model_validate(sizes)

    def train_adaptor(self, noise_variance: float, copies: int, training: TrainingConfig) -> Adaptor:
        """An adaptor trained on the captions, each feature `copies` times with noise of its own."""
        torch.manual_seed(training.seed)
        adaptor = Adaptor(self.adaptor_config())
        trainer = AdaptorTrainer(
            adaptor,
            self.lm,
            TrainingText(CaptionTokens(self.lm, self.captions, training.max_tokens), self.text_features),
            regions=copies,
            noise_variance=noise_variance,
            config=training,
        )
        report = ProgressReport(f"adaptor, noise {noise_variance:g}, {copies} copies", training.steps)
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
