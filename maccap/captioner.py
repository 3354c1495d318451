"""The whole method in one process: images in, captions out. The pipeline runs the same parts as actors."""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from maccap.bundle import Bundle, built_in_bundle_path, write_bundle
from maccap.config import BundleConfig, DecodingConfig
from maccap.image.as_seen import as_seen
from maccap.image.features import FeatureExtractor
from maccap.image.preprocessing import resize_and_crop
from maccap.rerank import Reranker, best
from maccap.sampler import CandidateSampler


class ScoredCandidate(NamedTuple):
    """A candidate, its cosine with the image in CLIP space, and the log-probability of its tokens."""

    text: str
    clip_score: float
    logprob: float


class Caption(NamedTuple):
    """The winning candidate's text and cosine, and all candidates in the order they were drawn."""

    text: str
    score: float
    candidates: list[ScoredCandidate]


class Captioner:
    """Pixels to features, features to candidates, candidates to a caption."""

    def __init__(
        self, config: BundleConfig, features: FeatureExtractor, sampler: CandidateSampler, reranker: Reranker
    ) -> None:
        self.config = config
        self.features = features
        self.sampler = sampler
        self.reranker = reranker

    @classmethod
    def from_pretrained(
        cls,
        url: str | Path | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """Open a bundle: a folder, an fsspec URL, or by default the small one that the package ships.

        `device` is the GPU where there is one. `dtype` is that of both towers; by default float32 on a CPU
        and bfloat16 on a GPU, as in the pipeline. Raises as `Bundle.open` does.
        """
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        bundle = Bundle.open(url or built_in_bundle_path())
        features = bundle.load_features(device, dtype)
        return cls(bundle.config, features, bundle.load_sampler(device, dtype), Reranker(features.clip))

    def save_pretrained(self, url: str | Path, *, half: bool = False) -> None:
        """Write this captioner, its two frozen models included, as a bundle."""
        adaptor, lm = self.sampler.adaptor, self.sampler.engine.language_model()
        memory = self.features.memory
        write_bundle(url, self.config, self.features.clip, lm, adaptor, memory=memory, half=half)

    def caption(
        self,
        images: Sequence[Image.Image | str | Path],
        *,
        ids: Sequence[str] | None = None,
        seed: int = 0,
        decoding: DecodingConfig | None = None,
        batch_images: int = 64,
    ) -> list[Caption]:
        """One caption an image, in order. `decoding` is the bundle's by default.

        An image is taken as a person sees it (`maccap.image.as_seen`): upright, transparency on white.
        Noise and sampling are keyed by `seed` and the image's id, by default a hash of its pixels: an image
        gets the same caption in any company, and with the same id and seed in the pipeline. Raises ValueError
        where `ids` and `images` differ in number, and Pillow's errors for a file that is not an image.
        """
        if ids is not None and len(ids) != len(images):
            raise ValueError(f"{len(images)} images, but {len(ids)} ids")
        captions: list[Caption] = []
        for start in range(0, len(images), batch_images):
            pixels = np.stack([self._pixels(image) for image in images[start : start + batch_images]])
            batch_ids = (
                [_content_id(image) for image in pixels] if ids is None else ids[start : start + batch_images]
            )
            captions += self._caption_batch(pixels, batch_ids, seed, decoding or self.config.decoding)
        return captions

    def _pixels(self, image: Image.Image | str | Path) -> NDArray[np.uint8]:
        spec = self.features.clip.pixels
        if isinstance(image, Image.Image):
            return resize_and_crop(as_seen(image), spec)
        with Image.open(image) as opened:
            return resize_and_crop(as_seen(opened), spec)

    def _caption_batch(
        self, pixels: NDArray[np.uint8], ids: Sequence[str], seed: int, decoding: DecodingConfig
    ) -> list[Caption]:
        # in half precision, as they travel between the pipeline's stages
        global_, features = (part.half() for part in self.features(torch.from_numpy(pixels)))
        drawn = self.sampler(features, ids, seed, decoding)
        scores = self.reranker([[candidate.text for candidate in row] for row in drawn], global_)
        captions = []
        for row, row_scores in zip(drawn, scores, strict=True):
            candidates = [
                ScoredCandidate(candidate.text, score, candidate.logprob)
                for candidate, score in zip(row, row_scores, strict=True)
            ]
            winner = candidates[best(row_scores)]
            captions.append(Caption(winner.text, winner.clip_score, candidates))
        return captions


def _content_id(pixels: NDArray[np.uint8]) -> str:
    return blake2b(pixels.tobytes(), digest_size=16).hexdigest()
