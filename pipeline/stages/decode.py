"""The decode stage: from image bytes to the pixels that CLIP sees. Its workers never load torch."""

import json
from collections import Counter
from functools import lru_cache
from typing import Self

import numpy as np
import pyarrow as pa

from maccap.image.preprocessing import PixelSpec
from pipeline.chunk import DECODERS_KEY, Column, valid_rows
from pipeline.formats.array_columns import pixels_column
from pipeline.stages.decoding.decode_image import PILLOW, DecodeLimits, UndecodableError
from pipeline.stages.decoding.isolated_decoder import IsolatedDecoder
from pipeline.stages.resources import Machine, StageResources
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime


class DecodeStage(Stage):
    """`spec` is what the bundle's CLIP expects. In the table's metadata is noted how many images which other
    package than Pillow decoded.
    """

    name = "decode"
    title = "file to pixels, one core"
    needs = ("image",)
    adds = (
        Column("width", pa.int32(), "of the image as it is seen, in pixels"),
        Column("height", pa.int32(), "the same"),
        Column("pixels", pa.binary(), "what CLIP sees, uint8 [S, S, 3]"),
    )
    keeps = ("width", "height")

    @classmethod
    def default_resources(cls, machine: Machine) -> StageResources:
        return StageResources(num_cpus=(0.4 if machine.is_small else 0.5) * machine.fraction)

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        return cls(settings.pixels, settings.limits)

    def __init__(self, spec: PixelSpec, limits: DecodeLimits) -> None:
        self.spec = spec
        self.limits = limits

    def __call__(self, samples: pa.Table) -> pa.Table:
        total = samples.num_rows
        errors = samples["error"].to_pylist()
        pixels = np.zeros((total, self.spec.size, self.spec.size, 3), np.uint8)
        rows = valid_rows(samples)
        widths: list[int | None] = [None] * total
        heights: list[int | None] = [None] * total
        decoders = Counter[str]()
        images = [memoryview(samples["image"][row].as_buffer() or b"") for row in rows]
        for row, decoded in zip(rows, _decoder(self.spec, self.limits).decode(images), strict=True):
            if isinstance(decoded, UndecodableError):
                errors[row] = str(decoded)
                continue
            pixels[row] = decoded.pixels
            widths[row], heights[row] = decoded.width, decoded.height
            decoders[decoded.decoder] += 1
        counts = {name: count for name, count in sorted(decoders.items()) if name != PILLOW}
        return (
            samples.drop_columns(["error"])
            .append_column("error", pa.array(errors, pa.string()))
            .append_column("width", pa.array(widths, pa.int32()))
            .append_column("height", pa.array(heights, pa.int32()))
            .append_column("pixels", pixels_column(pixels))
            .replace_schema_metadata({DECODERS_KEY: json.dumps(counts)})
        )

    def close(self) -> None:
        """End the decoding process; another stage starts its own."""
        _decoder(self.spec, self.limits).close()


@lru_cache(maxsize=1)
def _decoder(spec: PixelSpec, limits: DecodeLimits) -> IsolatedDecoder:
    """One for all the tasks of a worker: its process outlives the stage, which comes anew with each task."""
    return IsolatedDecoder(spec, limits)
