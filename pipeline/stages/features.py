"""CLIP features of a chunk (DESIGN section 1, image features): `pixels` out, `global` and `features` in."""

import numpy as np
import pyarrow as pa

from maccap.bundle import Bundle
from pipeline.chunk import valid_rows
from pipeline.formats.array_columns import half_column, read_pixels
from pipeline.stages.torch_runtime import TorchRuntime


class FeatureStage:
    """`global` [R, D] and `features` [R, N * D] in half precision; CLIP sees `batch` images at a time."""

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
        return (
            samples.drop_columns(["pixels"])
            .append_column("global", half_column(global_))
            .append_column("features", half_column(features))
        )
