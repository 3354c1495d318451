"""CLIP features of a chunk (paper: sub-region feature aggregation), in half precision."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa

from maccap.bundle import Bundle
from pipeline.chunk import Column, spread, valid_rows
from pipeline.formats.array_columns import half_column, read_pixels
from pipeline.stages.resources import Machine, StageResources, tower_resources
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime

if TYPE_CHECKING:
    from maccap.image.features import RegionFeatures


REGION = pa.struct([("patch", pa.int32()), ("box", pa.list_(pa.float32(), 4))])


class FeatureStage(Stage):
    """CLIP sees `batch` images at a time. Of each, up to `captioned` regions are to be captioned."""

    name = "features"
    title = "CLIP image tower and regions"
    needs = ("pixels",)
    adds = (
        Column("global", pa.list_(pa.float16()), "CLIP's feature of the image [D]; zeros for an error"),
        Column("features", pa.list_(pa.float16()), "what the adaptor reads of its N regions [N * D]"),
        Column("regions", pa.list_(REGION), "those to be captioned, and where they lie in what CLIP sees"),
        Column(
            "region_features",
            pa.list_(pa.float16()),
            "of each, CLIP's feature and what the adaptor reads [M * 2 * D], and zeros for those that lack",
        ),
    )
    keeps_on_request = MappingProxyType({"global": "keep_features", "features": "keep_features"})
    has_weights = True

    @classmethod
    def default_resources(cls, machine: Machine) -> StageResources:
        return tower_resources(machine, 0.3, beside_gpu=0.5, gpus=0.2)

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        return cls(settings.model, runtime, settings.feature_batch, settings.region_captions)

    def __init__(self, model: str, runtime: TorchRuntime, batch: int, captioned: int = 0) -> None:
        device, dtype = runtime.apply()
        bundle = Bundle.open(model)
        self.regions = bundle.config.regions.count
        self.dim = bundle.config.adaptor.clip_dim
        self.extract = bundle.load_features(device, dtype)
        self.extract.clip.keep("image")
        self.batch = batch
        self.captioned = captioned

    def __call__(self, samples: pa.Table) -> pa.Table:
        import torch

        rows, total = valid_rows(samples), samples.num_rows
        global_ = np.zeros((total, self.dim), np.float16)
        features = np.zeros((total, self.regions * self.dim), np.float16)
        captioned: list[RegionFeatures] = []
        for start in range(0, len(rows), self.batch):
            part = rows[start : start + self.batch]
            pixels = torch.from_numpy(read_pixels(samples["pixels"], part))
            with torch.inference_mode():
                seen = self.extract.clip.encode_image(pixels)
                part_global, part_features = self.extract.of_tokens(seen)
                if self.captioned:
                    captioned += self.extract.of_regions(seen, self.captioned)
            global_[part] = part_global.to("cpu", torch.float16).numpy()
            features[part] = part_features.to("cpu", torch.float16).flatten(1).numpy()
        samples = samples.append_column("global", half_column(global_))
        samples = samples.append_column("features", half_column(features))
        if self.captioned:
            regions, vectors = self._regions(captioned, rows, total)
        else:
            regions, vectors = (pa.nulls(total, column.type) for column in self.adds[2:])
        return samples.append_column("regions", regions).append_column("region_features", vectors)

    def _regions(
        self, captioned: "Sequence[RegionFeatures]", rows: list[int], total: int
    ) -> tuple[pa.Array, pa.Array]:
        places = [
            [{"patch": patch, "box": box} for patch, box in zip(found.patches, found.boxes, strict=True)]
            for found, _ in captioned
        ]
        vectors = np.zeros((total, self.captioned, 2, self.dim), np.float16)
        for row, (found, read) in zip(rows, captioned, strict=True):
            for place, numbers in enumerate((found.features, read)):
                vectors[row, : len(read), place] = numbers.half().cpu().numpy()
        regions = pa.array(spread(places, rows, total), pa.list_(REGION))
        return regions, half_column(vectors.reshape(total, -1))
