"""Reranking of a chunk: the candidate that CLIP finds closest to the image is its caption.

Candidates stay in the order they were drawn, so that the first is what a captioner without reranking says.
"""

from typing import Self

import pyarrow as pa

from maccap.bundle import Bundle
from maccap.captions import candidates_type
from pipeline.chunk import Column, spread, valid_rows
from pipeline.formats.array_columns import read_half
from pipeline.stages.resources import Machine, StageResources, tower_resources
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime


class RerankStage(Stage):
    """The candidate closest to the image in CLIP space; of equals, the first."""

    name = "rerank"
    title = "rerank: CLIP text tower"
    task = "caption"
    needs = ("global", "drawn")
    adds = (
        Column("caption", pa.string(), "the candidate that CLIP finds closest to the image"),
        Column("clip_score", pa.float32(), "their cosine in CLIP's space"),
        Column(
            "candidates",
            candidates_type(),
            "all candidates in the order they were drawn, each with its cosine and log-probability",
        ),
    )
    keeps = ("caption", "clip_score", "candidates")
    has_weights = True

    @classmethod
    def default_resources(cls, machine: Machine) -> StageResources:
        return tower_resources(machine, 0.25, beside_gpu=0.4, gpus=0.2)

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        return cls(settings.model, runtime, settings.rerank_batch)

    def __init__(self, model: str, runtime: TorchRuntime, batch: int) -> None:
        from maccap.rerank import Reranker

        device, dtype = runtime.apply()
        self.rerank = Reranker(Bundle.open(model).load_clip(device, dtype).keep("text"))
        self.batch = batch

    def __call__(self, samples: pa.Table) -> pa.Table:
        import torch

        from maccap.rerank import best

        drawn, total = samples["drawn"].to_pylist(), samples.num_rows
        rows = [row for row in valid_rows(samples) if drawn[row] is not None]
        scores: list[list[float]] = []
        for start in range(0, len(rows), self.batch):
            part = rows[start : start + self.batch]
            texts = [[candidate["text"] for candidate in drawn[row]] for row in part]
            with torch.inference_mode():
                scores += self.rerank(texts, torch.from_numpy(read_half(samples["global"], part)))
        winners = [best(of_image) for of_image in scores]
        captions = [drawn[row][first]["text"] for row, first in zip(rows, winners, strict=True)]
        best_scores = [of_image[first] for of_image, first in zip(scores, winners, strict=True)]
        scored = [
            [
                {**candidate, "clip_score": score}
                for candidate, score in zip(drawn[row], of_image, strict=True)
            ]
            for row, of_image in zip(rows, scores, strict=True)
        ]
        return (
            samples.append_column("candidates", pa.array(spread(scored, rows, total), candidates_type()))
            .append_column("caption", pa.array(spread(captions, rows, total), pa.string()))
            .append_column("clip_score", pa.array(spread(best_scores, rows, total), pa.float32()))
        )
