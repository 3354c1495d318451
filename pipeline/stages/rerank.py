"""Reranking of a chunk: the candidate that CLIP finds closest to the image is its caption, or as the bundle's
`rerank` says.

Candidates stay in the order they were drawn, so that the first is what a captioner without reranking says.
"""

from typing import TYPE_CHECKING, Self

import pyarrow as pa

from maccap.bundle import Bundle
from maccap.captions import candidates_type
from pipeline.chunk import Column, spread, valid_rows
from pipeline.formats.array_columns import read_half
from pipeline.stages.resources import Machine, StageResources, tower_resources
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime

if TYPE_CHECKING:
    from maccap.rerank import Chosen


class RerankStage(Stage):
    """The candidate closest to the image in CLIP space, unless the bundle chooses in another way; of equals,
    the first.
    """

    name = "rerank"
    title = "rerank: CLIP text tower"
    task = "caption"
    needs = ("global", "drawn")
    adds = (
        Column(
            "caption",
            pa.string(),
            "the candidate that CLIP finds closest to the image, or the best as the bundle's `rerank` says",
        ),
        Column("clip_score", pa.float32(), "its cosine with the image in CLIP's space"),
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
        device, dtype = runtime.apply()
        bundle = Bundle.open(model)
        self.rerank = bundle.load_reranker(bundle.load_clip(device, dtype).keep("text"))
        self.batch = batch

    def __call__(self, samples: pa.Table) -> pa.Table:
        import torch

        from maccap.sampler import Candidate

        drawn, total = samples["drawn"].to_pylist(), samples.num_rows
        rows = [row for row in valid_rows(samples) if drawn[row] is not None]
        chosen: list[Chosen] = []
        for start in range(0, len(rows), self.batch):
            part = rows[start : start + self.batch]
            candidates = [[Candidate(**candidate) for candidate in drawn[row]] for row in part]
            with torch.inference_mode():
                global_ = torch.from_numpy(read_half(samples["global"], part))
                chosen += self.rerank.choose(candidates, global_)
        captions = [drawn[row][of_image.winner]["text"] for row, of_image in zip(rows, chosen, strict=True)]
        best_scores = [of_image.clip_scores[of_image.winner] for of_image in chosen]
        scored = [
            [
                {**candidate, "clip_score": score}
                for candidate, score in zip(drawn[row], of_image.clip_scores, strict=True)
            ]
            for row, of_image in zip(rows, chosen, strict=True)
        ]
        return (
            samples.append_column("candidates", pa.array(spread(scored, rows, total), candidates_type()))
            .append_column("caption", pa.array(spread(captions, rows, total), pa.string()))
            .append_column("clip_score", pa.array(spread(best_scores, rows, total), pa.float32()))
        )
