"""What decides the bundle that a run ends in: captions and models by fingerprint, and the settings."""

from hashlib import blake2b, sha256
from typing import ClassVar

from maccap import __version__
from maccap.bundle import Bundle
from maccap.config import (
    DecodingConfig,
    MemoryConfig,
    NoiseCovarianceConfig,
    RegionConfig,
    RerankConfig,
    TrainingConfig,
)
from pipeline.run.record import Facts
from pipeline.stages.torch_runtime import Precision
from pipeline.storage.errors import UserError
from pipeline.texts import CaptionSet
from pipeline.train.config import AdaptorSizes, TrainJobConfig
from pipeline.train.noise import NoiseChoice
from pipeline.train.towers import Towers


class TrainFacts(Facts):
    """What decides the bundle, resolved: no defaults are left open. Captions and models go by fingerprint,
    which tells them from others wherever they lie.
    """

    may_differ: ClassVar[tuple[str, ...]] = ("clip", "llm", "version")

    captions: str
    caption_count: int
    held_out: float
    clip: str
    clip_fingerprint: str
    llm: str
    llm_fingerprint: str
    start: str | None  # fingerprint of the adaptor it begins with; None: a fresh one
    adaptor: AdaptorSizes
    regions: RegionConfig
    noise_variance: float
    inference_noise_variance: float | None = None  # in earlier versions always that of training
    noise_shared: float | None = None  # in earlier versions each region's by itself
    noise_covariance: NoiseCovarianceConfig | None = None  # in earlier versions none
    noise_fingerprint: str | None = None
    memory: MemoryConfig | None
    decoding: DecodingConfig
    rerank: RerankConfig = RerankConfig()  # in earlier versions the paper's
    training: TrainingConfig
    precision: Precision
    half: bool
    version: str

    @property
    def captioning_noise(self) -> float:
        """Variance of the noise that texts are written back with, as captions will be."""
        told = self.inference_noise_variance
        return self.noise_variance if told is None else told

    @property
    def run(self) -> str:
        """Tells this run's checkpoints from another's."""
        newer = {
            "inference_noise_variance",
            "noise_shared",
            "noise_covariance",
            "noise_fingerprint",
            "rerank",
        }
        absent = {name for name in newer if getattr(self, name) == type(self).model_fields[name].default}
        document = self.model_dump_json(exclude={*self.may_differ, *absent})
        return blake2b(document.encode(), digest_size=16).hexdigest()


def train_facts(
    captions: CaptionSet,
    towers: Towers,
    config: TrainJobConfig,
    precision: Precision,
    noise: NoiseChoice | None = None,
) -> TrainFacts:
    """What decides the bundle, resolved: no defaults are left open. Raises UserError."""
    bundle = towers.bundle
    if config.warm_start and bundle is None:
        raise UserError("--warm-start begins with the adaptor of a bundle; name it with --init")
    count = len(captions.texts)
    held_out = config.held_out_of(count)
    in_training = count - round(held_out if held_out >= 1 else held_out * count)
    training = config.training.model_copy(update={"steps": config.steps(in_training)})
    if precision != "float32":
        training = training.model_copy(update={"bfloat16": True})
    return TrainFacts(
        captions=captions.fingerprint,
        caption_count=count,
        held_out=held_out,
        clip=towers.clip.name,
        clip_fingerprint=towers.clip_fingerprint,
        llm=towers.llm.name,
        llm_fingerprint=towers.llm_fingerprint,
        start=_adaptor_fingerprint(bundle) if config.warm_start and bundle else None,
        adaptor=config.adaptor,
        regions=config.regions,
        noise_variance=config.noise_variance,
        inference_noise_variance=config.inference_noise_variance,
        noise_shared=config.noise_shared,
        noise_covariance=noise.config if noise else None,
        noise_fingerprint=noise.fingerprint if noise else None,
        memory=config.memory,
        decoding=config.decoding,
        rerank=config.rerank,
        training=training,
        precision=precision,
        half=config.half if config.half is not None else bundle is not None and _stores_half(bundle),
        version=__version__,
    )


def _adaptor_fingerprint(bundle: Bundle) -> str:
    return sha256(bundle.adaptor_path().read_bytes()).hexdigest()


def _stores_half(bundle: Bundle) -> bool:
    from safetensors import safe_open

    with safe_open(bundle.adaptor_path(), "np") as file:
        return all(file.get_slice(name).get_dtype() == "F16" for name in file.keys())  # noqa: SIM118
