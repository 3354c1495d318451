"""Compared samples with features of a known gap and of regions that are closer in known places."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.analyze.captions import NO_CAPTION
from pipeline.analyze.compare import WEIGHTINGS
from pipeline.analyze.pair_columns import vectors_column
from pipeline.analyze.statistics import Statistics

REGIONS = 4


def compared(
    ids: Sequence[str],
    differences: NDArray[np.float32],
    cosines: NDArray[np.float32],
    other_cosines: NDArray[np.float32] | None = None,
) -> Statistics:
    """The statistics of a chunk with one caption an image: `cosines` [images, 1 + REGIONS], for each of the
    weightings the same.
    """
    other = cosines if other_cosines is None else other_cosines
    ones = [1] * len(ids)
    samples = pa.table(
        {
            "image_id": pa.array(ids),
            "error": pa.array([None] * len(ids), pa.string()),
            "metadata": pa.array(['{"caption": "a dog"}'] * len(ids)),
            "cosines": vectors_column(ones, np.tile(as_read(cosines), len(WEIGHTINGS))),
            "differences": vectors_column(ones, differences),
            "other_cosines": vectors_column(ones, np.tile(as_read(other), len(WEIGHTINGS))),
            "other_differences": vectors_column(ones, 3 * differences),
        }
    )
    return Statistics.of(samples, (), seed=0)


def as_read(cosines: NDArray[np.floating]) -> NDArray[np.floating]:
    """With what the adaptor reads of a region half way between the global feature and the region."""
    return np.concatenate([cosines, (cosines[:, :1] + cosines[:, 1:]) / 2], axis=1)


def known_cosines(images: int, closer: float, seed: int = 0) -> NDArray[np.float32]:
    """In the fraction `closer` of the images the region of rank 2 alone is closer than the global feature."""
    numbers = np.random.default_rng(seed)
    cosines = numbers.uniform(0.0, 0.2, (images, 1 + REGIONS)).astype(np.float32)
    cosines[:, 0] = 0.3
    cosines[: round(closer * images), 2] = 0.4
    return cosines


def uncompared(image_id: str, error: str = NO_CAPTION, metadata: str = '{"file": "x.jpg"}') -> Statistics:
    """The statistics of a chunk of one row that has an error."""
    nothing = {
        name: vectors_column([0], np.zeros((0, width), np.float32))
        for name, width in (
            ("cosines", len(WEIGHTINGS) * (1 + 2 * REGIONS)),
            ("differences", 6),
            ("other_cosines", len(WEIGHTINGS) * (1 + 2 * REGIONS)),
            ("other_differences", 6),
        )
    }
    row = {"image_id": [image_id], "error": [error], "metadata": [metadata]}
    return Statistics.of(pa.table({**row, **nothing}), (), seed=0)
