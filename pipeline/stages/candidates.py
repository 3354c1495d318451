"""Caption candidates of a chunk (paper: inference), each a draw of region noise and a decode."""

from typing import Self

import pyarrow as pa

from maccap.bundle import Bundle
from maccap.config import DecodingConfig
from maccap.text.engines import DEFAULT_ENGINE
from pipeline.chunk import Column, spread, valid_rows
from pipeline.formats.array_columns import read_half
from pipeline.stages.resources import Machine, StageResources
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime

_DRAWN = pa.list_(pa.struct([("text", pa.string()), ("logprob", pa.float32())]))


class CandidateStage(Stage):
    """K candidates per row. The draws depend on `seed` and the image id alone, never on a row's
    neighbours.
    """

    name = "candidates"
    title = "adaptor and language model"
    needs = ("image_id", "features")
    adds = (Column("drawn", _DRAWN, "the candidates as they were drawn, not yet scored"),)
    has_weights = True

    @classmethod
    def default_resources(cls, machine: Machine) -> StageResources:
        """Most of a machine: threads for every core, or most of each GPU."""
        if machine.gpus:
            return StageResources(num_cpus=0.6 * machine.fraction, num_gpus=0.6, actors=machine.gpus)
        return StageResources(
            num_cpus=0.5 * machine.fraction if machine.is_small else 1.5,
            actors=machine.groups,
            torch_threads=max(1, int(machine.cpus)) // machine.groups,
        )

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        return cls(
            settings.model,
            runtime,
            settings.decoding,
            settings.seed,
            settings.candidate_batch,
            settings.engine,
        )

    def __init__(
        self,
        model: str,
        runtime: TorchRuntime,
        decoding: DecodingConfig,
        seed: int,
        batch: int | None,
        engine: str = DEFAULT_ENGINE,
    ) -> None:
        device, dtype = runtime.apply()
        bundle = Bundle.open(model)
        self.dim = bundle.config.adaptor.clip_dim
        self.sample = bundle.load_sampler(device, dtype, engine)
        self.decoding = decoding
        self.seed = seed
        self.batch_rows = batch and batch * decoding.draws * decoding.rows_per_draw

    def __call__(self, samples: pa.Table) -> pa.Table:
        rows = valid_rows(samples)
        candidates = self._candidates(samples, rows) if rows else []
        return samples.append_column("drawn", pa.array(spread(candidates, rows, samples.num_rows), _DRAWN))

    def _candidates(self, samples: pa.Table, rows: list[int]) -> list[list[dict[str, object]]]:
        import torch

        ids = samples["image_id"].to_pylist()
        features = torch.from_numpy(read_half(samples["features"], rows)).unflatten(1, (-1, self.dim))
        drawn = self.sample(
            features, [ids[row] for row in rows], self.seed, self.decoding, batch_rows=self.batch_rows
        )
        return [[{"text": c.text, "logprob": c.logprob} for c in of_image] for of_image in drawn]
