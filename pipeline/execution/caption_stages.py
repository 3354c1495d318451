"""The stages of one run, built from its facts and settings: the same for `in_process.py` and
`ray_graph.py`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from maccap.image.preprocessing import PixelSpec
from pipeline.chunk import SOURCE_COLUMNS, Chunk
from pipeline.execution.worker_model import folder_of_model
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import CAPTIONS, QUESTIONS, RunFacts
from pipeline.sources import Shard, read_chunks, shard_from_json
from pipeline.stages.resources import StageResources
from pipeline.stages.stage import Stage
from pipeline.stages.steps import Step, steps_of
from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.stages.write import CaptionWriter, WriteResult


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
        return cls(shard_from_json(row["shard"]), skip)


@dataclass(frozen=True)
class CaptionStages:
    """Builds each stage where it will run. Small, and without weights: it travels to the workers. `columns`
    are those that the source brings; of `stages`, by default those of the run's tasks, run the needed.
    """

    output: str
    spec: PixelSpec
    facts: RunFacts
    config: CaptionJobConfig
    columns: tuple[str, ...] = SOURCE_COLUMNS
    stages: tuple[type[Stage], ...] | None = None

    def read(self, work: ShardWork, progress: Callable[[int], object] | None = None) -> Iterator[Chunk]:
        """The chunks of a shard that are not yet written. `progress` is told the rows read so far."""
        return read_chunks(work.shard, self.config.limits(), work.skip, progress)

    def steps(self) -> list[Step]:
        """The stages that run, in order. Raises UserError where one lacks a column."""
        return steps_of(self._stages, self.columns, self.facts.requests)

    def build(self, step: Step, resources: StageResources) -> Stage:
        """A stage, its weights loaded; of `resources`, device and threads count. Raises UserError where the
        model is another here than the run's.
        """
        config = self.config
        settings = self.facts.stage_settings(
            self.spec,
            decode_seconds=config.decode_seconds,
            feature_batch=config.feature_batch,
            rerank_batch=config.rerank_batch,
            candidate_batch=config.candidate_batch,
            question_store=f"{self.output}/{QUESTIONS}",
        )
        if step.stage.has_weights:
            model = folder_of_model(self.facts.model, self.facts.model_fingerprint)
            settings = replace(settings, model=str(model))
        return step.stage.build(settings, self.runtime(resources))

    def write(self) -> Callable[[Chunk], WriteResult]:
        """The sink."""
        facts = self.facts
        return CaptionWriter(
            f"{self.output}/{CAPTIONS}", facts.for_footer(), facts.table_schema(self._stages)
        )

    @property
    def _stages(self) -> tuple[type[Stage], ...]:
        return self.config.stages() if self.stages is None else self.stages

    def runtime(self, resources: StageResources) -> TorchRuntime:
        return TorchRuntime(
            device="cuda" if resources.num_gpus else "cpu",
            precision=self.facts.precision,
            threads=resources.torch_threads,
        )
