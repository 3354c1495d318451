"""Where CLIP looked in some images, from the run's own model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maccap.bundle import Bundle
from pipeline.inspect.looked import Looked
from pipeline.run.facts import RunFacts
from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe

if TYPE_CHECKING:
    from maccap.image.features import FeatureExtractor

_REGIONS = 10  # drawn of an image at most
_LEVELS = "0123456789abcdef"


def load_extractor(bundle: Bundle, facts: RunFacts) -> "FeatureExtractor":
    """The bundle's CLIP, its image tower alone. Raises UserError where it cannot be loaded."""
    import torch

    runtime = TorchRuntime(device="cuda" if torch.cuda.is_available() else "cpu", precision=facts.precision)
    try:
        extract = bundle.load_features(*runtime.apply())
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"the CLIP of model {bundle.folder} cannot be loaded: {describe(error)}") from None
    extract.clip.keep("image")
    return extract


def as_json(looked: Looked) -> dict[str, Any]:
    """For the page: weights as a hexadecimal digit each, row by row, from the least to the most."""
    regions = () if looked.regions is None else looked.regions[:_REGIONS]
    return {
        "grid": len(looked.attention),
        "attention": _levels(looked.attention),
        "salient": [list(place) for place in looked.salient if place is not None],
        "regions": [_levels(region) for region in regions],
    }


def _levels(weights: NDArray[np.float32]) -> str:
    low, high = float(weights.min()), float(weights.max())
    levels: Sequence[int] = ((weights - low) / ((high - low) or 1.0) * 15.99).astype(int).flatten().tolist()
    return "".join(_LEVELS[level] for level in levels)
