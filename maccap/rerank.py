"""The candidate closest to the image in CLIP space wins.

Ours, and off unless a bundle asks for it (`RerankConfig`): how close it is to the image as the correction of
the gap moves it counts too, and how likely the language model found it. CLIP alone finds a text that says
less nearly as close, and one that is odd no farther.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from maccap.adaptor.gap import GapCorrection
from maccap.config import RerankConfig
from maccap.image.clip import FrozenClip
from maccap.sampler import Candidate


class Chosen(NamedTuple):
    """Which candidate becomes an image's caption, by its index, and each one's cosine with the image."""

    winner: int
    clip_scores: list[float]


class Reranker:
    """Scores candidates against the image's global feature, in CLIP's text encoder, and chooses by `config`,
    with the bundle's correction of the `gap`, if it has one.
    """

    def __init__(
        self, clip: FrozenClip, config: RerankConfig | None = None, gap: GapCorrection | None = None
    ) -> None:
        self.clip = clip
        self.config = config or RerankConfig()
        self.gap = gap if self.config.closed_gap else None

    def choose(self, candidates: Sequence[Sequence[Candidate]], global_: Tensor) -> list[Chosen]:
        """The best of each image's candidates, whose `global_` [R, D] they are held against; of equals, the
        first. Raises ValueError where the two differ in number, and for an image without candidates.
        """
        texts = [[candidate.text for candidate in of_image] for of_image in candidates]
        sides = [global_] if self.gap is None else [global_, self.gap(F.normalize(global_.float(), dim=-1))]
        cosines, *closed = self._cosines(texts, sides)
        weight = self.config.logprob_weight
        chosen = []
        for row, of_image in enumerate(candidates):
            scores = [
                sum(part[row][index] for part in (cosines, *closed)) + weight * candidate.logprob
                for index, candidate in enumerate(of_image)
            ]
            chosen.append(Chosen(best(scores), cosines[row]))
        return chosen

    def __call__(self, candidates: Sequence[Sequence[str]], global_: Tensor) -> list[list[float]]:
        """Cosine of each candidate's text feature with its image's `global_` [R, D]; R lists, in their order.

        Each distinct text is encoded once. Raises ValueError where the two differ in number of images.
        """
        return self._cosines(candidates, [global_])[0]

    def _cosines(
        self, candidates: Sequence[Sequence[str]], sides: Sequence[Tensor]
    ) -> list[list[list[float]]]:
        """Of the texts with the images' features [R, D] of each of the `sides`."""
        if len(candidates) != len(sides[0]):
            raise ValueError(f"candidates of {len(candidates)} images, but features of {len(sides[0])}")
        # neighbours are of similar length: those that the text encoder takes together, it cuts to their
        # longest
        texts = sorted({text for row in candidates for text in row}, key=lambda text: (len(text), text))
        if not texts:
            return [[[] for _ in candidates] for _ in sides]
        features = self.clip.encode_text(texts)
        place = {text: index for index, text in enumerate(texts)}
        flat = [place[text] for row in candidates for text in row]
        owner = [index for index, row in enumerate(candidates) for _ in row]
        told = []
        for side in sides:
            images = F.normalize(side.to(features), dim=-1)
            cosines = iter((features[flat] * images[owner]).sum(dim=-1).tolist())
            told.append([[next(cosines) for _ in row] for row in candidates])
        return told


def best(scores: Sequence[float]) -> int:
    """Index of the winning candidate; the first where several are equal. Raises ValueError for none."""
    return max(range(len(scores)), key=scores.__getitem__)
