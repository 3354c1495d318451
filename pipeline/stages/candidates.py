"""Caption candidates of a chunk (paper: inference), each a draw of region noise and a decode."""

from typing import Self

import pyarrow as pa

from maccap.bundle import Bundle
from maccap.config import DecodingConfig, PromptConfig
from maccap.text.engines import DEFAULT_ENGINE
from pipeline.chunk import Column, spread, valid_rows
from pipeline.formats.array_columns import read_half
from pipeline.stages.resources import Machine, StageResources, language_model_resources
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime

_DRAWN = pa.list_(pa.struct([("text", pa.string()), ("logprob", pa.float32())]))


class CandidateStage(Stage):
    """K candidates per row. The draws depend on `seed` and the image id alone, never on a row's
    neighbours.
    """

    name = "candidates"
    title = "adaptor and language model"
    task = "caption"
    needs = ("image_id", "features")
    may_need = ("wanted",)
    adds = (Column("drawn", _DRAWN, "the candidates as they were drawn, not yet scored"),)
    has_weights = True

    @classmethod
    def default_resources(cls, machine: Machine) -> StageResources:
        return language_model_resources(machine)

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        return cls(
            settings.model,
            runtime,
            settings.decoding,
            settings.seed,
            settings.candidate_batch,
            settings.engine,
            settings.prompt,
        )

    def __init__(
        self,
        model: str,
        runtime: TorchRuntime,
        decoding: DecodingConfig,
        seed: int,
        batch: int | None,
        engine: str = DEFAULT_ENGINE,
        prompt: PromptConfig | None = None,
    ) -> None:
        device, dtype = runtime.apply()
        bundle = Bundle.open(model)
        self.dim = bundle.config.adaptor.clip_dim
        self.sample = bundle.load_sampler(device, dtype, engine)
        self.decoding = decoding
        self.seed = seed
        self.prompt = prompt
        self.batch_rows = batch and batch * decoding.draws * decoding.rows_per_draw

    def __call__(self, samples: pa.Table) -> pa.Table:
        rows = valid_rows(samples)
        if "wanted" in samples.column_names:
            wanted = samples["wanted"].to_pylist()
            rows = [row for row in rows if wanted[row]]
        candidates = self._candidates(samples, rows) if rows else []
        return samples.append_column("drawn", pa.array(spread(candidates, rows, samples.num_rows), _DRAWN))

    def _candidates(self, samples: pa.Table, rows: list[int]) -> list[list[dict[str, object]]]:
        import torch

        ids = samples["image_id"].to_pylist()
        features = torch.from_numpy(read_half(samples["features"], rows)).unflatten(1, (-1, self.dim))
        own_ids = [ids[row] for row in rows]
        drawn = self.sample(
            features, own_ids, self.seed, self.decoding, prompt=self.prompt, batch_rows=self.batch_rows
        )
        return [[{"text": c.text, "logprob": c.logprob} for c in of_image] for of_image in drawn]
