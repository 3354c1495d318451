"""CLIP features of a chunk (paper: sub-region feature aggregation), in half precision."""

from types import MappingProxyType
from typing import Self

import numpy as np
import pyarrow as pa

from maccap.bundle import Bundle
from pipeline.chunk import Column, valid_rows
from pipeline.formats.array_columns import half_column, read_pixels
from pipeline.stages.resources import Machine, StageResources, tower_resources
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime


class FeatureStage(Stage):
    """CLIP sees `batch` images at a time."""

    name = "features"
    title = "CLIP image tower and regions"
    needs = ("pixels",)
    adds = (
        Column("global", pa.list_(pa.float16()), "CLIP's feature of the image [D]; zeros for an error"),
        Column("features", pa.list_(pa.float16()), "what the adaptor reads of its N regions [N * D]"),
    )
    keeps_on_request = MappingProxyType({"global": "keep_features", "features": "keep_features"})
    has_weights = True

    @classmethod
    def default_resources(cls, machine: Machine) -> StageResources:
        return tower_resources(machine, 0.3, beside_gpu=0.5, gpus=0.2)

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        return cls(settings.model, runtime, settings.feature_batch)

    def __init__(self, model: str, runtime: TorchRuntime, batch: int) -> None:
        device, dtype = runtime.apply()
        bundle = Bundle.open(model)
        self.regions = bundle.config.regions.count
        self.dim = bundle.config.adaptor.clip_dim
        self.extract = bundle.load_features(device, dtype)
        self.extract.clip.keep("image")
        self.batch = batch

    def __call__(self, samples: pa.Table) -> pa.Table:
        import torch

        rows = valid_rows(samples)
        global_ = np.zeros((samples.num_rows, self.dim), np.float16)
        features = np.zeros((samples.num_rows, self.regions * self.dim), np.float16)
        for start in range(0, len(rows), self.batch):
            part = rows[start : start + self.batch]
            pixels = torch.from_numpy(read_pixels(samples["pixels"], part))
            with torch.inference_mode():
                part_global, part_features = self.extract(pixels)
            global_[part] = part_global.to("cpu", torch.float16).numpy()
            features[part] = part_features.to("cpu", torch.float16).flatten(1).numpy()
        return samples.append_column("global", half_column(global_)).append_column(
            "features", half_column(features)
        )
