"""Caption candidates of a chunk (paper: inference), each a draw of region noise and a decode. Where captions
of regions are asked for, their texts are drawn here too: a second copy of the language model costs more.
"""

from typing import Self

import pyarrow as pa

from maccap.bundle import Bundle
from maccap.config import DecodingConfig, PromptConfig
from maccap.text.engines import DEFAULT_ENGINE
from pipeline.chunk import Column, spread, valid_rows
from pipeline.formats.array_columns import read_half
from pipeline.stages.measured import Measured, with_measured
from pipeline.stages.resources import Machine, StageResources, language_model_resources
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime

_DRAWN = pa.list_(pa.struct([("text", pa.string()), ("logprob", pa.float32())]))
_REGION_TEXTS = pa.list_(pa.list_(pa.string()))


class CandidateStage(Stage):
    """K candidates per row. The draws depend on `seed` and the image id alone, never on a row's
    neighbours.
    """

    name = "candidates"
    title = "adaptor and language model"
    task = "caption"
    needs = ("image_id", "features")
    may_need = ("wanted", "regions", "region_features")
    adds = (
        Column("drawn", _DRAWN, "the candidates as they were drawn, not yet scored"),
        Column("region_texts", _REGION_TEXTS, "the texts that were drawn for each region"),
    )
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
            with_regions=settings.region_captions > 0,
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
        *,
        with_regions: bool = False,
    ) -> None:
        device, dtype = runtime.apply()
        bundle = Bundle.open(model)
        self.dim = bundle.config.adaptor.clip_dim
        self.copies = bundle.config.regions.count
        self.sample = bundle.load_sampler(device, dtype, engine)
        self.decoding = decoding
        self.seed = seed
        self.prompt = prompt
        self.with_regions = with_regions
        self.batch_rows = batch and batch * decoding.draws * decoding.rows_per_draw

    def __call__(self, samples: pa.Table) -> pa.Table:
        rows, written_before = valid_rows(samples), self.sample.tokens_written
        if "wanted" in samples.column_names:
            wanted = samples["wanted"].to_pylist()
            rows = [row for row in rows if wanted[row]]
        total = samples.num_rows
        candidates = self._candidates(samples, rows) if rows else []
        samples = samples.append_column("drawn", pa.array(spread(candidates, rows, total), _DRAWN))
        with_regions = rows if self.with_regions else []
        texts = self._region_texts(samples, with_regions) if with_regions else []
        column = pa.array(spread(texts, with_regions, total), _REGION_TEXTS)
        measured = Measured(tokens=self.sample.tokens_written - written_before)
        return with_measured(samples.append_column("region_texts", column), measured)

    def _candidates(self, samples: pa.Table, rows: list[int]) -> list[list[dict[str, object]]]:
        import torch

        ids = samples["image_id"].to_pylist()
        features = torch.from_numpy(read_half(samples["features"], rows)).unflatten(1, (-1, self.dim))
        own_ids = [ids[row] for row in rows]
        drawn = self.sample(
            features, own_ids, self.seed, self.decoding, prompt=self.prompt, batch_rows=self.batch_rows
        )
        return [[{"text": c.text, "logprob": c.logprob} for c in of_image] for of_image in drawn]

    def _region_texts(self, samples: pa.Table, rows: list[int]) -> list[list[list[str]]]:
        import torch

        from maccap.region_captions import draw_region_texts

        part = samples.select(["image_id", "regions"]).take(pa.array(rows))
        patches = [[region["patch"] for region in regions] for regions in part["regions"].to_pylist()]
        vectors = read_half(samples["region_features"], rows).reshape(len(rows), -1, 2, self.dim)
        return draw_region_texts(
            self.sample,
            [
                torch.from_numpy(of_image[: len(own), 1])
                for of_image, own in zip(vectors, patches, strict=True)
            ],
            patches,
            self.copies,
            part["image_id"].to_pylist(),
            self.seed,
            self.decoding,
            prompt=self.prompt,
            batch_rows=self.batch_rows,
        )
