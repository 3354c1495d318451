"""Where CLIP looked in an image: its attention, the salient patches, and what their regions gathered."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from maccap.image.features import FeatureExtractor


@dataclass(frozen=True)
class Looked:
    """Where CLIP looked: the pixels it saw [S, S, 3], the weight of each of its G x G patches for CLS, and
    for each salient token, the most salient first, its patch as (row, column), None for CLS itself, and the
    weights [G, G] with which its region gathers the patches; none for a bundle without regions.
    """

    pixels: NDArray[np.uint8]
    attention: NDArray[np.float32]
    salient: list[tuple[int, int] | None]
    regions: NDArray[np.float32] | None


def where_it_looked(extract: "FeatureExtractor", pixels: NDArray[np.uint8]) -> list[Looked]:
    """Of R images [R, S, S, 3] as CLIP sees them."""
    import torch

    from maccap.image.regions import salient_tokens

    with torch.inference_mode():
        seen = extract.clip.encode_image(torch.from_numpy(pixels))
        tokens, weights = salient_tokens(seen, extract.config)
    attention = seen.attention[:, 0, 1:].float().cpu().numpy()
    grid = round(attention.shape[1] ** 0.5)
    regions = weights[:, :, 1:].float().cpu().numpy().reshape(len(pixels), -1, grid, grid)
    uses_regions = extract.config.weighting != "none"
    return [
        Looked(
            pixels[row],
            attention[row].reshape(grid, grid),
            [divmod(token - 1, grid) if token else None for token in tokens[row].tolist()],
            regions[row] if uses_regions else None,
        )
        for row in range(len(pixels))
    ]
