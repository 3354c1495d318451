"""The candidate closest to the image in CLIP space wins."""

from collections.abc import Sequence

import torch
from torch import Tensor

from maccap.image.clip import FrozenClip


class Reranker:
    """Scores candidates against the image's global feature, in CLIP's text encoder."""

    def __init__(self, clip: FrozenClip) -> None:
        self.clip = clip

    def __call__(self, candidates: Sequence[Sequence[str]], global_: Tensor) -> list[list[float]]:
        """Cosine of each candidate's text feature with its image's `global_` [R, D]; R lists, in their order.

        Each distinct text is encoded once. Raises ValueError where the two differ in number of images.
        """
        if len(candidates) != len(global_):
            raise ValueError(f"candidates of {len(candidates)} images, but features of {len(global_)}")
        # neighbours are of similar length: those that the text encoder takes together, it cuts to their
        # longest
        texts = sorted({text for row in candidates for text in row}, key=lambda text: (len(text), text))
        if not texts:
            return [[] for _ in candidates]
        features = self.clip.encode_text(texts)
        place = {text: index for index, text in enumerate(texts)}
        flat = [place[text] for row in candidates for text in row]
        owner = [index for index, row in enumerate(candidates) for _ in row]
        images = torch.nn.functional.normalize(global_.to(features), dim=-1)
        cosines = iter((features[flat] * images[owner]).sum(dim=-1).tolist())
        return [[next(cosines) for _ in row] for row in candidates]


def best(scores: Sequence[float]) -> int:
    """Index of the winning candidate; the first where several are equal. Raises ValueError for none."""
    return max(range(len(scores)), key=scores.__getitem__)
