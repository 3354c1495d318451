"""What is wrong with a caption, by its text alone, in the same words as it can be filtered by."""

from typing import Self

import pyarrow as pa

from pipeline.chunk import Column
from pipeline.quality.flags import flags_of
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime


class FlagStage(Stage):
    """Of the captions that were made; see `pipeline.quality.flags`."""

    name = "flags"
    title = "flags of captions"
    task = "caption"
    setting = "flags"
    needs = ("caption",)
    adds = (
        Column(
            "flags",
            pa.list_(pa.string()),
            "what is wrong with `caption`: `empty`, `short` (under 3 words), `cut` (it breaks off), "
            "`repeated` (it loops); an empty list for a sound one",
        ),
    )
    keeps = ("flags",)

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        return cls()

    def __call__(self, samples: pa.Table) -> pa.Table:
        captions = samples["caption"].to_pylist()
        flags = [None if caption is None else flags_of(caption) for caption in captions]
        return samples.append_column("flags", pa.array(flags, pa.list_(pa.string())))
