"""The whole method in one process: images in, captions and answers out. The pipeline runs
the same parts as actors.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from maccap.adaptor.gap import Statistics
from maccap.answerer import Answer, Answerer
from maccap.bundle import Bundle, built_in_bundle_path
from maccap.bundle_writing import check_place, write_bundle
from maccap.captions import Caption, Captions, ImageLike, RegionCaption, ScoredCandidate
from maccap.config import AskConfig, BundleConfig, DecodingConfig, PromptConfig
from maccap.image.as_seen import as_seen
from maccap.image.features import FeatureExtractor, RegionFeatures
from maccap.image.preprocessing import resize_and_crop
from maccap.image.view import view_of
from maccap.region_captions import closest_texts, draw_region_texts, placed
from maccap.rerank import Chosen, Reranker
from maccap.sampler import Candidate, CandidateSampler


class Captioner:
    """Pixels to features, features to candidates, candidates to a caption.

    >>> from maccap import Captioner
    >>> from PIL import Image
    >>> captioner = Captioner.from_pretrained()  # the small built-in model
    >>> white = Image.new("RGB", (96, 96), "white")
    >>> captions = captioner.caption([white, white], ids=["one", "two"], prompt="a picture of")
    >>> captions[0].text
    'a picture of ...'
    >>> captions[0].score == max(candidate.clip_score for candidate in captions[0].candidates)
    True
    >>> captions.to_table().column_names
    ['caption', 'clip_score', 'candidates']
    """

    def __init__(
        self,
        config: BundleConfig,
        features: FeatureExtractor,
        sampler: CandidateSampler,
        reranker: Reranker,
        texts: Statistics | None = None,
    ) -> None:
        self.config = config
        self.texts = texts  # of training, for a correction of the gap
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
        sampler, reranker = bundle.load_sampler(device, dtype), bundle.load_reranker(features.clip)
        return cls(bundle.config, features, sampler, reranker, bundle.load_text_statistics())

    def save_pretrained(self, url: str | Path, *, half: bool = False) -> None:
        """Write this captioner, its two frozen models included, as a bundle, over an older one. Raises
        FileExistsError where `url` holds anything else.
        """
        check_place(url)
        adaptor, lm = self.sampler.adaptor, self.sampler.engine.language_model()
        memory = self.features.memory
        gap, root = self.sampler.gap, self.sampler.noise.root
        write_bundle(
            url,
            self.config,
            self.features.clip,
            lm,
            adaptor,
            memory=memory,
            gap=gap,
            noise_root=root,
            texts=self.texts,
            half=half,
        )

    def caption(
        self,
        images: Iterable[ImageLike],
        *,
        ids: Sequence[str] | None = None,
        seed: int = 0,
        decoding: DecodingConfig | None = None,
        prompt: PromptConfig | str | None = None,
        region_captions: int = 0,
        batch_images: int = 64,
    ) -> Captions:
        """One caption per image, in order. `decoding` is the bundle's by default; each goes on from `prompt`.
        With `region_captions`, up to so many regions of an image get one too.

        An image is taken as a person sees it (`maccap.image.as_seen`): upright, transparency on white.
        Noise and sampling are keyed by `seed` and the image's id, by default a hash of its pixels: an image
        gets the same caption in any company, and with the same id and seed in the pipeline. Raises ValueError
        where `ids` and `images` differ in number, and for a file that is no whole image; TypeError for what
        is neither an image nor a file.
        """
        images = _listed(images, ids, batch_images)
        if region_captions < 0:
            raise ValueError(f"region_captions is {region_captions}; give how many, or 0 for none")
        begins = PromptConfig(text=prompt) if isinstance(prompt, str) else prompt
        decoding = decoding or self.config.decoding
        captions: list[Caption] = []
        for seen in self._seen(images, ids, batch_images, region_captions):
            drawn = self.sampler(seen.features, seen.ids, seed, decoding, prompt=begins)
            chosen = self.reranker.choose(drawn, seen.global_)
            regions = self._region_captions(seen, seed, decoding, begins)
            captions += map(_caption, drawn, chosen, regions)
        return Captions(captions, images)

    def _region_captions(
        self, seen: "_Seen", seed: int, decoding: DecodingConfig, prompt: PromptConfig | None
    ) -> list[list[RegionCaption]]:
        if not seen.regions:
            return [[] for _ in seen.ids]
        found = [of_image.regions for of_image in seen.regions]
        texts = draw_region_texts(
            self.sampler,
            [of_image.features.half() for of_image in seen.regions],
            [regions.patches for regions in found],
            self.config.regions.count,
            seen.ids,
            seed,
            decoding,
            prompt=prompt,
        )
        closest = closest_texts(self.reranker, texts, [regions.features.half() for regions in found])
        mode = self.features.clip.pixels.resize_mode
        return [
            placed(of_image, regions.patches, regions.boxes, view_of(*size, mode))
            for of_image, regions, size in zip(closest, found, seen.sizes, strict=True)
        ]

    def ask(
        self,
        images: Iterable[ImageLike],
        questions: Sequence[str] | Sequence[Sequence[str]],
        *,
        ids: Sequence[str] | None = None,
        seed: int = 0,
        asking: AskConfig | None = None,
        batch_images: int = 64,
    ) -> list[list[Answer]]:
        """The answers to each image's questions, in order: the same `questions` for every image, or a list of
        them for each. `asking` is the paper's zero-shot VQA by default.

        Images, ids and seed are as for `caption`. Raises as it does, and ValueError where the numbers of
        `images` and lists of `questions` differ.

        >>> from maccap import Captioner
        >>> from maccap.config import AskConfig
        >>> from PIL import Image
        >>> white = Image.new("RGB", (96, 96), "white")
        >>> yes_or_no = AskConfig(answers=("yes", "no"))
        >>> [answers] = Captioner.from_pretrained().ask([white], ["Is there a dog?"], asking=yes_or_no)
        >>> answers[0].text in ("yes", "no")
        True
        """
        images = _listed(images, ids, batch_images)
        of_each = _of_each(questions, len(images))
        answerer, answers = Answerer(self.sampler), list[list[Answer]]()
        for start, seen in zip(
            range(0, len(images), batch_images), self._seen(images, ids, batch_images), strict=True
        ):
            some = of_each[start : start + batch_images]
            answers += answerer(seen.features, seen.ids, some, seed, asking or AskConfig())
        return answers

    def _seen(
        self, images: Sequence[ImageLike], ids: Sequence[str] | None, batch_images: int, regions: int = 0
    ) -> Iterator["_Seen"]:
        for start in range(0, len(images), batch_images):
            read = [self._pixels(image) for image in images[start : start + batch_images]]
            pixels, sizes = np.stack([one for one, _ in read]), [size for _, size in read]
            tokens = self.features.clip.encode_image(torch.from_numpy(pixels))
            # in half precision, as they travel between the pipeline's stages
            global_, features = (part.half() for part in self.features.of_tokens(tokens))
            found = self.features.of_regions(tokens, regions) if regions else []
            own = (
                [_content_id(image) for image in pixels] if ids is None else ids[start : start + len(pixels)]
            )
            yield _Seen(list(own), sizes, global_, features, found)

    def _pixels(self, image: ImageLike) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        """What CLIP sees of an image, and the whole image's size."""
        if not isinstance(image, ImageLike) and not hasattr(image, "read"):
            raise TypeError(
                f"an image is one of PIL's, a path or an open file, not a {type(image).__name__}; of an "
                "array Image.fromarray makes one, of bytes io.BytesIO"
            )
        try:
            if isinstance(image, Image.Image):
                return self._cropped(image)
            with Image.open(image) as opened:
                return self._cropped(opened)
        except FileNotFoundError:
            raise
        except (OSError, ValueError, SyntaxError, ZeroDivisionError) as error:  # of a damaged or empty image
            raise ValueError(f"image {image} cannot be read: {error}") from error

    def _cropped(self, image: Image.Image) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        seen = as_seen(image)
        return resize_and_crop(seen, self.features.clip.pixels), seen.size


class _Seen(NamedTuple):
    """Images as CLIP saw them: width and height of each, `global_` [R, D], `features` [R, N, D], and the
    regions that are to be captioned, if any.
    """

    ids: list[str]
    sizes: list[tuple[int, int]]
    global_: torch.Tensor
    features: torch.Tensor
    regions: list[RegionFeatures]


def _caption(drawn: Sequence[Candidate], chosen: Chosen, regions: list[RegionCaption]) -> Caption:
    candidates = [
        ScoredCandidate(candidate.text, score, candidate.logprob)
        for candidate, score in zip(drawn, chosen.clip_scores, strict=True)
    ]
    winner = candidates[chosen.winner]
    return Caption(winner.text, winner.clip_score, candidates, regions)


def _listed(images: Iterable[ImageLike], ids: Sequence[str] | None, batch: int) -> Sequence[ImageLike]:
    if isinstance(images, ImageLike):
        raise ValueError("images must be a list; of one image, [image]")
    if batch < 1:
        raise ValueError(f"batch_images is {batch}; give how many are computed together, 1 at least")
    listed = images if isinstance(images, Sequence) else list(images)
    if ids is not None and len(ids) != len(listed):
        raise ValueError(f"{len(listed)} images, but {len(ids)} ids")
    return listed


def _of_each(questions: Sequence[str] | Sequence[Sequence[str]], images: int) -> list[list[str]]:
    if isinstance(questions, str):
        raise ValueError("questions must be a list: of texts, or of lists of texts, one for each image")
    same = [question for question in questions if isinstance(question, str)]
    if len(same) == len(questions):
        return [same] * images
    if same or len(questions) != images:
        raise ValueError(f"{images} images, but questions of {len(questions)}")
    return [list(of_image) for of_image in questions]


def _content_id(pixels: NDArray[np.uint8]) -> str:
    return blake2b(pixels.tobytes(), digest_size=16).hexdigest()
