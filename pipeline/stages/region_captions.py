"""Captions of an image's regions: of the texts drawn for each, the one that CLIP finds closest to it."""

from typing import Any, Self

import pyarrow as pa

from maccap.bundle import Bundle
from maccap.captions import region_captions_type
from maccap.image.view import view_of
from pipeline.chunk import Column, spread
from pipeline.formats.array_columns import read_half
from pipeline.stages.resources import Machine, StageResources, tower_resources
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime


class RegionCaptionStage(Stage):
    """Boxes of what CLIP saw become boxes of the image, by the `resize_mode` of its pixels."""

    name = "region_captions"
    title = "captions of regions: CLIP text tower"
    task = "caption"
    setting = "region_captions"
    needs = ("width", "height", "regions", "region_features", "region_texts")
    adds = (
        Column(
            "region_captions",
            region_captions_type(),
            "captions of the most salient regions, the most salient first: each with its cosine with the "
            "region and the whole in CLIP's space, the patch of CLIP's grid where the region has its peak, "
            "row by row from 0, and the box around it: left, top, width, height, as fractions of the image",
        ),
    )
    keeps = ("region_captions",)
    has_weights = True

    @classmethod
    def default_resources(cls, machine: Machine) -> StageResources:
        return tower_resources(machine, 0.1, beside_gpu=0.2, gpus=0.1)

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        return cls(settings.model, runtime, settings.pixels.resize_mode, settings.rerank_batch)

    def __init__(self, model: str, runtime: TorchRuntime, resize_mode: str, batch: int) -> None:
        from maccap.rerank import Reranker

        device, dtype = runtime.apply()
        bundle = Bundle.open(model)
        self.dim = bundle.config.adaptor.clip_dim
        self.rerank = Reranker(bundle.load_clip(device, dtype).keep("text"))
        self.resize_mode = resize_mode
        self.batch = batch

    def __call__(self, samples: pa.Table) -> pa.Table:
        texts, total = samples["region_texts"].to_pylist(), samples.num_rows
        rows = [row for row in range(total) if texts[row] is not None]
        captions: list[list[dict[str, Any]]] = []
        for start in range(0, len(rows), self.batch):
            captions += self._captions(samples, rows[start : start + self.batch])
        column = pa.array(spread(captions, rows, total), region_captions_type())
        return samples.append_column("region_captions", column)

    def _captions(self, samples: pa.Table, rows: list[int]) -> list[list[dict[str, Any]]]:
        import torch

        from maccap.region_captions import closest_texts, placed

        part = samples.select(["width", "height", "regions", "region_texts"]).take(pa.array(rows)).to_pylist()
        vectors = read_half(samples["region_features"], rows).reshape(len(rows), -1, 2, self.dim)
        features = [
            torch.from_numpy(of_image[: len(row["regions"]), 0])
            for row, of_image in zip(part, vectors, strict=True)
        ]
        with torch.inference_mode():
            chosen = closest_texts(self.rerank, [row["region_texts"] for row in part], features)
        captions = []
        for row, texts in zip(part, chosen, strict=True):
            patches, boxes = ([region[name] for region in row["regions"]] for name in ("patch", "box"))
            view = view_of(row["width"], row["height"], self.resize_mode)
            captions.append([one._asdict() for one in placed(texts, patches, boxes, view)])
        return captions
