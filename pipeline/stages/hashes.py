"""Hashes by which images can be told to be the same: of their bytes, and of what they look like."""

from hashlib import sha256
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from pipeline.chunk import Column, spread, valid_rows
from pipeline.formats.array_columns import read_pixels
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime

_SIDE, _KEPT = 32, 8


class HashStage(Stage):
    """Of each image that could be decoded."""

    name = "hashes"
    title = "hashes of images"
    setting = "hashes"
    needs = ("image", "pixels")
    adds = (
        Column("sha256", pa.string(), "of the image file's bytes, in hex digits"),
        Column(
            "phash",
            pa.string(),
            "of what CLIP sees, 64 bits in hex digits, of which few differ for images that look the same",
        ),
    )
    keeps = ("sha256", "phash")

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        return cls()

    def __call__(self, samples: pa.Table) -> pa.Table:
        rows, total = valid_rows(samples), samples.num_rows
        digests = [sha256(samples["image"][row].as_buffer() or b"").hexdigest() for row in rows]
        looks = [f"{perceptual_hash(pixels):016x}" for pixels in read_pixels(samples["pixels"], rows)]
        for name, values in (("sha256", digests), ("phash", looks)):
            samples = samples.append_column(name, pa.array(spread(values, rows, total), pa.string()))
        return samples


def perceptual_hash(pixels: NDArray[np.uint8]) -> int:
    """The DCT hash ("pHash", Zauner 2010) of pixels [S, S, 3], as 64 bits.

    Their luma (ITU-R BT.601, 8 bits) is averaged over areas to [32, 32] and goes through an orthonormal
    DCT-II. Of the [8, 8] lowest frequencies, rows first, each is a bit, the first the highest: 1 where it is
    above their median, and for the mean. They count to 1/1000 of a grey level, which other machines' rounding
    does not reach.
    """
    grey = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    lowest = _DCT @ np.asarray(grey, np.float64) @ _DCT.T
    coefficients = np.round(lowest, 3).reshape(-1)
    bits = coefficients > np.median(coefficients)
    bits[0] = True
    return int.from_bytes(np.packbits(bits).tobytes())


def _lowest_frequencies() -> NDArray[np.float64]:
    """[8, 32], the first rows of the transform."""
    rows = np.cos(np.pi / _SIDE * np.outer(np.arange(_KEPT), np.arange(_SIDE) + 0.5))
    rows[0] /= np.sqrt(2)
    return rows * np.sqrt(2 / _SIDE)


_DCT = _lowest_frequencies()
