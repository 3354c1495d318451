"""What a stage is: it declares the columns it reads and adds, and is called with the samples of one chunk.

From these declarations alone follow the order of the stages, when a column is dropped, the schema of the
caption table, what `maccap verify` expects of it, the names under `resources` in a config file, the stages
that `maccap benchmark` times, and the documentation's list of columns (`pipeline.stages.steps`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

import pyarrow as pa

from maccap.config import AskConfig, DecodingConfig, PromptConfig
from maccap.image.preprocessing import PixelSpec
from maccap.text.engines import DEFAULT_ENGINE
from pipeline.chunk import Column
from pipeline.stages.decoding.decode_image import DecodeLimits
from pipeline.stages.resources import Machine, StageResources, tower_resources
from pipeline.stages.torch_runtime import TorchRuntime

Task = Literal["caption", "ask"]
"""What a run makes of its images."""


@dataclass(frozen=True)
class ExistingCaptions:
    """Captions that images came with, in `field` of the metadata; no other is made where there is one
    (`only_missing`), or one whose score is not below `only_below`.
    """

    field: str
    only_missing: bool = False
    only_below: float | None = None

    def suffices(self, score: float | None) -> bool:
        """Whether a caption of this score makes another needless; None for one that was not scored."""
        if self.only_missing:
            return True
        return self.only_below is not None and score is not None and score >= self.only_below


@dataclass(frozen=True)
class ScoreHeadFile:
    """Where a score head lies, and the SHA-256 of its bytes."""

    url: str
    sha256: str


@dataclass(frozen=True)
class StageSettings:
    """What a run tells its stages: plain data that travels to the workers. `model` is a bundle's URL,
    `pixels` what its CLIP expects; the batches are in images, None for as many as fit and pay. `questions`
    are put to every image; else those in the store at `question_store`, or the sample's own.
    `region_captions` are made of each image, at most.
    """

    model: str
    pixels: PixelSpec
    decoding: DecodingConfig
    seed: int = 0
    limits: DecodeLimits = field(default_factory=DecodeLimits)
    engine: str = DEFAULT_ENGINE
    prompt: PromptConfig | None = None
    asking: AskConfig = field(default_factory=AskConfig)
    questions: tuple[str, ...] = ()
    question_store: str | None = None
    existing: ExistingCaptions | None = None
    score_heads: Mapping[str, ScoreHeadFile] = field(default_factory=dict)
    region_captions: int = 0
    feature_batch: int = 64
    candidate_batch: int | None = None
    rerank_batch: int = 64


class Stage(ABC):
    """A step on the samples of one chunk; it works without Ray. A worker builds it once, weights included,
    and calls it with one chunk after another.

    Called with a table of samples, it returns the same rows in the same order, with the columns of `adds`.
    It may also set `error` for a row whose error is null; such rows keep their place to the end, and later
    stages pass them over (`pipeline.chunk.valid_rows`). Nothing else of the table may change.
    """

    name: ClassVar[str]
    """In errors, and under `resources` in a config file."""
    title: ClassVar[str]
    """What it does, in the benchmark and the documentation."""
    task: ClassVar[Task | None] = None
    """The task that it is of; None for all of them."""
    setting: ClassVar[str | None] = None
    """The setting of a run that asks for it; None where its task is enough."""
    needs: ClassVar[tuple[str, ...]]
    """The columns it reads, of the source or of other stages."""
    may_need: ClassVar[tuple[str, ...]] = ()
    """Those it reads where another stage of the run adds them."""
    adds: ClassVar[tuple[Column, ...]]
    keeps: ClassVar[tuple[str, ...]] = ()
    """Those of `adds` that reach the caption table."""
    keeps_on_request: ClassVar[Mapping[str, str]] = {}
    """More of them, each with the setting of a run that asks for it."""
    has_weights: ClassVar[bool] = False
    """Whether it computes with a model: it then runs in actors, else in short tasks."""

    @classmethod
    def default_resources(cls, machine: Machine) -> StageResources:
        """What each of its workers asks of a machine or cluster, where the config does not say."""
        if cls.has_weights:
            return tower_resources(machine, 0.1, gpus=0)
        return StageResources(num_cpus=0.1 * machine.fraction)

    @classmethod
    @abstractmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        """The stage where it will run; `runtime` counts for stages with weights."""

    @abstractmethod
    def __call__(self, samples: pa.Table) -> pa.Table:
        """The samples with the columns of `adds`. Whatever it raises ends the run."""

    def close(self) -> None:  # noqa: B027, most stages hold nothing
        """Let go of what would outlive the stage, as a process of its own."""
