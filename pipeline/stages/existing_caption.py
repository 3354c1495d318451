"""The caption that an image came with: kept, and scored by the same CLIP. One that is good spares another."""

from typing import Any, Self

import pyarrow as pa

from maccap.bundle import Bundle
from pipeline.chunk import Column, spread, valid_rows
from pipeline.formats.array_columns import read_half
from pipeline.sources.metadata import fields_of
from pipeline.stages.resources import Machine, StageResources, tower_resources
from pipeline.stages.stage import ExistingCaptions, Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.storage.redact import printable


class ExistingCaptionStage(Stage):
    """Which rows are still to be captioned is what `existing` says of their own captions."""

    name = "existing_caption"
    title = "scores of captions that are there"
    task = "caption"
    setting = "existing_caption"
    needs = ("metadata", "global")
    adds = (
        Column("original_caption", pa.string(), "the caption that the image came with"),
        Column("original_clip_score", pa.float32(), "its cosine with the image in CLIP's space"),
        Column("wanted", pa.bool_(), "whether a caption is to be made"),
    )
    keeps = ("original_caption", "original_clip_score")
    has_weights = True

    @classmethod
    def default_resources(cls, machine: Machine) -> StageResources:
        return tower_resources(machine, 0.1, beside_gpu=0.2, gpus=0.1)

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        assert settings.existing is not None
        return cls(settings.model, runtime, settings.existing, settings.rerank_batch)

    def __init__(self, model: str, runtime: TorchRuntime, existing: ExistingCaptions, batch: int) -> None:
        from maccap.rerank import Reranker

        device, dtype = runtime.apply()
        self.score = Reranker(Bundle.open(model).load_clip(device, dtype).keep("text"))
        self.existing = existing
        self.batch = batch

    def __call__(self, samples: pa.Table) -> pa.Table:
        import torch

        total, texts = samples.num_rows, samples["metadata"].to_pylist()
        captions = [own_caption(text, self.existing.field) for text in texts]
        rows = [row for row in valid_rows(samples) if captions[row] is not None]
        scores: list[float] = []
        for start in range(0, len(rows), self.batch):
            part = rows[start : start + self.batch]
            with torch.inference_mode():
                global_ = torch.from_numpy(read_half(samples["global"], part))
                scores += [score for (score,) in self.score([[str(captions[row])] for row in part], global_)]
        scored = pa.array(spread(scores, rows, total), pa.float32())
        kept = [
            caption is not None and self.existing.suffices(score)
            for caption, score in zip(captions, scored.to_pylist(), strict=True)
        ]
        return (
            samples.append_column("original_caption", pa.array(captions, pa.string()))
            .append_column("original_clip_score", scored)
            .append_column("wanted", pa.array([not one for one in kept], pa.bool_()))
        )


def own_caption(metadata: str | None, field: str) -> str | None:
    """The text under `field` of a row's metadata, on one line: a column, a key of the sample's JSON, the
    extension of a text beside the image, or keys joined by dots. Of a list, its first text; None where there
    is none.
    """
    fields, name = fields_of(metadata), field.removeprefix(".")
    value = fields.get(name)
    if value is None:
        value = _under(fields, name.split("."))
    if isinstance(value, list):
        value = next((one for one in value if isinstance(one, str) and one.strip()), None)
    return printable(" ".join(value.split())) or None if isinstance(value, str) else None


def _under(fields: Any, keys: list[str]) -> Any:
    for key in keys:
        fields = fields.get(key) if isinstance(fields, dict) else None
    return fields
