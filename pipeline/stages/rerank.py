"""Reranking of a chunk (DESIGN section 1): `global` out, `caption` and `clip_score` in.

Candidates stay in the order they were drawn, so that the first is what a captioner without reranking says.
"""

import pyarrow as pa

from maccap.bundle import Bundle
from pipeline.chunk import CANDIDATE, spread, valid_rows
from pipeline.formats.array_columns import read_half
from pipeline.stages.torch_runtime import TorchRuntime


class RerankStage:
    """The candidate closest to the image in CLIP space; of equals, the first. `keep` leaves `global` in."""

    def __init__(self, model: str, runtime: TorchRuntime, batch: int, keep: bool = False) -> None:
        from maccap.rerank import Reranker

        device, dtype = runtime.apply()
        self.rerank = Reranker(Bundle.open(model).load_clip(device, dtype).keep("text"))
        self.batch = batch
        self.leaves = ["candidates"] if keep else ["global", "candidates"]

    def __call__(self, samples: pa.Table) -> pa.Table:
        import torch

        from maccap.rerank import best

        rows, total = valid_rows(samples), samples.num_rows
        drawn = samples["candidates"].to_pylist()
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
            samples.drop_columns(self.leaves)
            .append_column("candidates", pa.array(spread(scored, rows, total), pa.list_(CANDIDATE)))
            .append_column("caption", pa.array(spread(captions, rows, total), pa.string()))
            .append_column("clip_score", pa.array(spread(best_scores, rows, total), pa.float32()))
        )
