"""The stages of one run, built from its facts and settings: the same for `local.py` and `flow.py`."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, Self

import pyarrow as pa

from maccap.image.preprocessing import PixelSpec
from pipeline.chunk import Chunk
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import CAPTIONS, RunFacts
from pipeline.sources import Shard, chunk_samples, read_shard
from pipeline.sources.kept_features import read_captioned
from pipeline.stages.candidates import CandidateStage
from pipeline.stages.decode import DecodeStage
from pipeline.stages.features import FeatureStage
from pipeline.stages.rerank import RerankStage
from pipeline.stages.resources import ActorResources
from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.stages.write import CaptionWriter


class Stage(Protocol):
    """A step on the samples of one chunk."""

    def __call__(self, samples: pa.Table) -> pa.Table: ...


@dataclass(frozen=True)
class ShardWork:
    """One shard to read, and its chunks that are already written: by position, the indices of their rows."""

    shard: Shard
    skip: Mapping[int, range] = field(default_factory=dict)

    def to_row(self) -> dict[str, str]:
        skip = {position: (rows.start, rows.stop) for position, rows in self.skip.items()}
        return {"shard": self.shard.to_json(), "skip": json.dumps(skip)}

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Self:
        skip = {int(position): range(*rows) for position, rows in json.loads(row["skip"]).items()}
        return cls(Shard.from_json(row["shard"]), skip)


@dataclass(frozen=True)
class CaptionStages:
    """Builds each stage where it will run. Small, and without weights: it travels to the workers."""

    output: str
    spec: PixelSpec
    facts: RunFacts
    config: CaptionJobConfig
    from_features: bool = False

    def read(self, work: ShardWork, progress: Callable[[int], object] | None = None) -> Iterator[Chunk]:
        """The chunks of a shard that are not yet written. `progress` is told the rows read so far."""
        if self.from_features:
            return read_captioned(work.shard, work.skip)
        samples = read_shard(work.shard, self.config.max_bytes)
        return chunk_samples(work.shard.id, samples, self.config.limits(), work.skip, progress=progress)

    def decode(self) -> DecodeStage:
        return DecodeStage(self.spec, self.config.decode_limits())

    def features(self, runtime: TorchRuntime) -> FeatureStage:
        return FeatureStage(self.facts.model, runtime, self.config.feature_batch)

    def candidates(self, runtime: TorchRuntime) -> CandidateStage:
        facts = self.facts
        batch, keep = self.config.candidate_batch, facts.keep_features
        return CandidateStage(facts.model, runtime, facts.decoding, facts.seed, batch, keep)

    def rerank(self, runtime: TorchRuntime) -> RerankStage:
        return RerankStage(self.facts.model, runtime, self.config.rerank_batch, self.facts.keep_features)

    def write(self) -> CaptionWriter:
        facts = self.facts
        return CaptionWriter(f"{self.output}/{CAPTIONS}", facts.for_footer(), facts.keep_features)

    def model_stages(self) -> dict[str, Callable[[TorchRuntime], Stage]]:
        """The stages that hold weights, by the name of their resources, in order."""
        stages: dict[str, Callable[[TorchRuntime], Stage]] = {
            "features": self.features,
            "candidates": self.candidates,
            "rerank": self.rerank,
        }
        if self.from_features:
            del stages["features"]
        return stages

    def pixel_stages(self) -> list[Stage]:
        """What comes between reading and the stages that hold weights."""
        return [] if self.from_features else [self.decode()]

    def runtime(self, resources: ActorResources) -> TorchRuntime:
        return TorchRuntime(
            device="cuda" if resources.num_gpus else "cpu",
            precision=self.facts.precision,
            threads=resources.torch_threads,
        )

    def builders(self, resources: dict[str, ActorResources]) -> dict[str, Callable[[], Stage]]:
        """As `model_stages`, each bound to what its worker computes with."""
        return {
            name: partial(build, self.runtime(resources[name])) for name, build in self.model_stages().items()
        }
