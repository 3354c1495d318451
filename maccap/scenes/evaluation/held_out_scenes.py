"""Caption held-out scenes with given parts and score them, without Ray: what building and ablations share."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from maccap.adaptor.training import text_features
from maccap.config import DecodingConfig, RerankConfig
from maccap.image.clip import FrozenClip, ImageTokens
from maccap.image.features import FeatureExtractor
from maccap.image.preprocessing import PixelSpec, resize_and_crop
from maccap.rerank import Reranker
from maccap.sampler import CandidateSampler
from maccap.scenes.evaluation.score import Scores, score
from maccap.scenes.world.facts import SceneFacts, scenes_with_facts
from maccap.scenes.world.render import render
from maccap.scenes.world.scene import Split


class HeldOutScenes(NamedTuple):
    """Scenes of one split as a captioner sees them, and what is true of each."""

    ids: list[str]
    pixels: Tensor  # uint8 [R, S, S, 3]
    facts: list[SceneFacts]


class Outcome(NamedTuple):
    """Scores of the chosen candidate, and of the first one, of the same candidates."""

    reranked: Scores
    first: Scores
    captions: list[str]


def render_test_set(split: Split, count: int, seed: int, spec: PixelSpec, side: int = 192) -> HeldOutScenes:
    """`count` scenes drawn at `side` pixels and resized as any image is; half hold an unseen pair."""
    scenes = scenes_with_facts(split, count, seed)
    pixels = np.stack([resize_and_crop(render(scene, side), spec) for scene, _ in scenes])
    ids = [f"{split}-{seed}-{index}" for index in range(count)]
    return HeldOutScenes(ids, torch.from_numpy(pixels), [facts for _, facts in scenes])


def evaluate(
    test: HeldOutScenes,
    images: ImageTokens,
    extract: FeatureExtractor,
    sampler: CandidateSampler,
    decoding: DecodingConfig,
    seed: int = 0,
    rerank: RerankConfig | None = None,
) -> Outcome:
    """Caption the test set, whose pixels CLIP encoded as `images`, with these parts; score the captions."""
    global_, features = extract.of_tokens(images)
    candidates = sampler(features, test.ids, seed, decoding)
    chosen = Reranker(extract.clip, rerank, sampler.gap).choose(candidates, global_)
    captions = [row[one.winner].text for row, one in zip(candidates, chosen, strict=True)]
    first = [row[0].text for row in candidates]
    return Outcome(score(captions, test.facts), score(first, test.facts), captions)


def retrieve(
    clip: FrozenClip, images: ImageTokens, captions: Sequence[str], features: Tensor | None = None
) -> list[str]:
    """The baseline to beat: for each image the training caption nearest to it in CLIP space."""
    bank = text_features(clip, captions) if features is None else features
    return [captions[i] for i in (images.global_ @ bank.to(images.global_).T).argmax(dim=1).tolist()]
