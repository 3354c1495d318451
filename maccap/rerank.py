"""The candidate closest to the image in CLIP space wins.

Ours, and off unless a bundle asks for it (`RerankConfig`): its cosine with the gap-corrected image counts
too, and its log-probability. CLIP alone scores a caption that leaves things out almost as high, and does not
penalise an odd one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
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
        corrected = [] if self.gap is None else [self.gap(global_.float())]
        cosines, *closed = self._cosines(texts, global_, *corrected)
        chosen = []
        for row, of_image in enumerate(candidates):
            parts = [cosines[row], *(own[row] for own in closed), self._weighted(of_image)]
            scores = [sum(part) for part in zip(*parts, strict=True)]
            chosen.append(Chosen(best(scores), cosines[row]))
        return chosen

    def _weighted(self, candidates: Sequence[Candidate]) -> list[float]:
        weight = self.config.logprob_weight
        if not weight:
            return [0.0] * len(candidates)
        # rounded as they travel between the pipeline's stages
        logprobs = np.array([candidate.logprob for candidate in candidates], dtype=np.float32)
        return [weight * float(part) for part in np.nan_to_num(logprobs, nan=-np.inf)]

    def __call__(self, candidates: Sequence[Sequence[str]], global_: Tensor) -> list[list[float]]:
        """Cosine of each candidate's text feature with its image's `global_` [R, D]; R lists, in their order.

        Each text that is distinct to CLIP is encoded once. Raises ValueError where the two differ in number
        of images.
        """
        return self._cosines(candidates, global_)[0]

    def _cosines(self, candidates: Sequence[Sequence[str]], *images: Tensor) -> list[list[list[float]]]:
        """Of the texts with the images' features [R, D], for each kind of features."""
        if len(candidates) != len(images[0]):
            raise ValueError(f"candidates of {len(candidates)} images, but features of {len(images[0])}")
        # neighbours are of similar length: those that the text encoder takes together, it cuts to their
        # longest
        texts = sorted({text for row in candidates for text in row}, key=lambda text: (len(text), text))
        if not texts:
            return [[[] for _ in candidates] for _ in images]
        tokens = dict(zip(texts, self.clip.tokenize(texts).numpy(), strict=True))
        # texts that differ in capitals alone are one to CLIP; as two rows, rounding would choose
        distinct = {row.tobytes(): row for row in tokens.values()}
        features = self.clip.encode_text_tokens(torch.from_numpy(np.stack([*distinct.values()])))
        place = {key: index for index, key in enumerate(distinct)}
        flat = [place[tokens[text].tobytes()] for row in candidates for text in row]
        owner = [index for index, row in enumerate(candidates) for _ in row]
        told = []
        for of_images in images:
            unit = F.normalize(of_images.to(features), dim=-1)
            cosines = iter((features[flat] * unit[owner]).sum(dim=-1).tolist())
            told.append([[next(cosines) for _ in row] for row in candidates])
        return told


def best(scores: Sequence[float]) -> int:
    """Index of the winning candidate; the first where several are equal. Raises ValueError for none."""
    return max(range(len(scores)), key=scores.__getitem__)
