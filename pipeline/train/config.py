"""The settings of a training run, typed, from a bundle, a YAML or JSON file and the command line."""

import math
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from maccap.config import (
    PAPER_DECODING,
    PAPER_NOISE_VARIANCE,
    AdaptorConfig,
    BundleConfig,
    Config,
    DecodingConfig,
    MemoryConfig,
    NoiseShared,
    RegionConfig,
    RerankConfig,
    TrainingConfig,
    decoding_preset,
)
from pipeline.run.config import explain, given, merged, read_settings
from pipeline.storage.errors import UserError
from pipeline.texts import TextConfig

_HELD_OUT_FRACTION, _HELD_OUT_MOST = 0.02, 1000


class AdaptorSizes(Config):
    """An adaptor's sizes, but for the two that the frozen models decide."""

    queries: int = Field(default=32, ge=1, description="Q, vectors of the prefix")
    layers: int = Field(default=1, ge=1, description="of the transformer decoder")
    heads: int = Field(default=8, ge=1, description="of its attention")
    feedforward: int = Field(default=2048, ge=1, description="its hidden size")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="in training")
    input_scale: float = Field(
        default=1.0, gt=0, description="1 as in the authors' code; sqrt(D) trains a small adaptor faster"
    )

    def between(self, clip_dim: int, llm_dim: int) -> AdaptorConfig:
        return AdaptorConfig(clip_dim=clip_dim, llm_dim=llm_dim, **self.model_dump())


class WorkerResources(Config):
    """What one training worker asks of Ray; the same is asked to encode captions before."""

    num_cpus: float = Field(gt=0, description="of Ray")
    num_gpus: float = Field(default=0, ge=0, description="of Ray; fractions share one")
    torch_threads: int = Field(default=1, ge=1, description="that compute")


class TrainJobConfig(Config):
    """Settings of one run. `train.json` pins down those that decide what is learnt."""

    training: TrainingConfig = Field(default=TrainingConfig(), description="steps, batch and optimiser")
    adaptor: AdaptorSizes = Field(default=AdaptorSizes(), description="its sizes")
    regions: RegionConfig = Field(default=RegionConfig(), description="what the adaptor reads of an image")
    noise_variance: float = Field(
        default=PAPER_NOISE_VARIANCE, ge=0, description="in each dimension; 0.016 fits D = 512"
    )
    noise_shared: NoiseShared = None
    noise_covariance: str | None = Field(
        default=None,
        description="what noise varies as. isotropic: in every direction the same; paraphrases: captions of "
        "the same image; or the folder of an analysis: its images and captions. Default: as --init, or "
        "isotropic",
    )
    memory: MemoryConfig | None = Field(
        default=None, description="project images onto training captions (DeCap)"
    )
    inference_noise_variance: float | None = Field(
        default=None, ge=0, description="of captioning; None: as in training; 0 as in CapDec"
    )
    decoding: DecodingConfig = Field(
        default=PAPER_DECODING,
        description="the bundle's decoding, unless told otherwise: a preset (paper, sampled) or settings",
    )
    rerank: RerankConfig = Field(
        default=RerankConfig(), description="which candidate the bundle takes for the caption"
    )
    epochs: float | None = Field(
        default=None, gt=0, description="passes over the training captions, in place of training.steps"
    )
    captions: TextConfig = Field(default=TextConfig(), description="how caption files are read")
    held_out: float | None = Field(
        default=None,
        ge=0,
        description="captions set aside for evaluation, a fraction below 1 or a count; "
        f"default: {_HELD_OUT_FRACTION:.0%}, at most {_HELD_OUT_MOST}",
    )
    evaluate_every: int = Field(default=500, ge=1, description="steps between evaluations")
    checkpoint_every: int = Field(default=500, ge=1, description="steps between checkpoints")
    samples: int = Field(default=6, ge=0, description="held-out captions to show as they are written back")
    warm_start: bool = Field(default=False, description="begin with the adaptor of --init, not a fresh one")
    half: bool | None = Field(
        default=None, description="store the bundle's weights as float16; default: as --init stores them"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto: a GPU where there is one"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="of the language model; auto: bfloat16 on a GPU, else float32"
    )
    threads: int | None = Field(
        default=None, ge=1, description="of torch, in each worker; default: fitted to the machine"
    )
    workers: int | None = Field(default=None, ge=1, description="default: one for each GPU, or one")
    worker: WorkerResources | None = Field(
        default=None, description="what each worker asks of Ray; default: fitted to the machine or cluster"
    )
    worker_failures: int = Field(default=3, ge=0, description="lost workers after which the run gives up")
    cache: str | None = Field(
        default=None, description="folder or URL for text features; default: $MACCAP_CACHE/features"
    )

    @field_validator("decoding", mode="before")
    @classmethod
    def _of_preset(cls, decoding: Any) -> Any:
        return decoding_preset(decoding) if isinstance(decoding, str) else decoding

    @model_validator(mode="after")
    def _check_noise(self) -> Self:
        if self.memory is not None and self.noise_variance > 0:
            raise ValueError("memory takes the place of noise: set noise_variance to 0 beside it")
        if self.noise_covariance not in (None, "isotropic") and self.noise_variance == 0:
            raise ValueError("noise_covariance is of noise, and noise_variance 0 is none; leave one out")
        return self

    def steps(self, captions: int) -> int:
        """Training steps over so many captions."""
        if self.epochs is None:
            return self.training.steps
        return max(1, math.ceil(self.epochs * captions / self.training.batch))

    def held_out_of(self, captions: int) -> float:
        """How many of `captions` distinct ones to set aside, as `hold_out` takes it."""
        if self.held_out is not None:
            return self.held_out
        return min(round(captions * _HELD_OUT_FRACTION), _HELD_OUT_MOST)

    def check(self, workers: int) -> Self:
        """Itself. Raises UserError where batches cannot be shared out among `workers`."""
        parts = workers * self.training.accumulate
        if self.training.batch % parts:
            raise UserError(
                f"a batch of {self.training.batch} captions cannot be shared out evenly among {workers} "
                f"workers in {self.training.accumulate} parts each; "
                f"set training.batch (--batch) to a multiple of {parts}"
            )
        return self


def load_train_config(
    path: Path | None, overrides: dict[str, Any], bundle: BundleConfig | None = None
) -> TrainJobConfig:
    """Settings from `bundle` (how it was trained, its sizes, regions, noise, memory, decoding and
    reranking), over them those of a YAML or JSON file, and on top `overrides` from the command line (None:
    not given).

    Sections are merged key by key. Raises UserError.
    """
    settings = merged(_defaults(bundle) if bundle else {}, read_settings(path) if path else {})
    asked = given(overrides)
    if "steps" in asked.get("training", {}):
        if "epochs" in asked:
            raise UserError("--steps and --epochs both say how long to train; give one of them")
        settings.pop("epochs", None)
    settings = merged(settings, asked)
    try:
        return TrainJobConfig.model_validate(settings)
    except ValidationError as error:
        raise UserError(explain(path, error, _SECTIONS)) from None


_SECTIONS: dict[str, type[Config]] = {
    "": TrainJobConfig,
    "training": TrainingConfig,
    "adaptor": AdaptorSizes,
    "regions": RegionConfig,
    "memory": MemoryConfig,
    "decoding": DecodingConfig,
    "rerank": RerankConfig,
    "captions": TextConfig,
    "worker": WorkerResources,
}


def _defaults(bundle: BundleConfig) -> dict[str, Any]:
    kept = {"training", "adaptor", "regions", "noise_variance", "memory", "decoding", "rerank"}
    kept |= {"inference_noise_variance", "noise_shared"}
    document = bundle.model_dump(include=kept, exclude_none=True)
    sizes = {key: value for key, value in document["adaptor"].items() if key in AdaptorSizes.model_fields}
    return {**document, "adaptor": sizes}
