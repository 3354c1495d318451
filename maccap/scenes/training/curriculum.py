"""What CLIP's training by contrast reads at each step: at first any scenes, each beside near copies, and one
caption of each; late in training, relations.

Left to random captions, who stands left of whom stays a guess however long both towers train: few captions
tell it, and neither tower gains by telling it before the other does. So there is a stretch of scenes whose
captions all tell a relation, each to be held against its opposite (Yuksekgonul et al., NegCLIP, 2023, do so
with words in another order); after it, they are a part of every batch. From then on fewer captions name a
part of a scene alone, or CLIP would prefer such a caption to a complete one as often as not, and it is CLIP
that chooses among candidates.
"""

from typing import NamedTuple

import numpy as np

from maccap.scenes.evaluation.mentions import parse
from maccap.scenes.training.near_copies import GROUP, scene_batch
from maccap.scenes.world.captions import partial_caption, scene_captions
from maccap.scenes.world.lexicon import OPPOSITE
from maccap.scenes.world.scene import Scene, sample_scene

RELATIONS_FROM = 0.73
"""Of all steps: where relations begin."""
_RELATIONS_ONLY = 0.05  # of all steps: for how long there is nothing else
_RELATED = 0.25  # of a batch after that
_PARTIAL, _PARTIAL_AT_LAST = 0.4, 0.1  # of other captions name a part of their scene; before and after


class Batch(NamedTuple):
    """Scenes, one caption of each, and by row the opposites of captions that tell a relation; before
    relations begin, of none.
    """

    scenes: list[Scene]
    captions: list[str]
    opposites: dict[int, str]


def draw_batch(seed: int, step: int, steps: int, size: int) -> Batch:
    """That of step `step` of `steps`: `size` scenes, a multiple of four."""
    rng = np.random.default_rng([21, seed, step])
    related, partial = 0, _PARTIAL
    if begun := step >= RELATIONS_FROM * steps:
        only = step < (RELATIONS_FROM + _RELATIONS_ONLY) * steps
        related, partial = size if only else GROUP * round(_RELATED * size / GROUP), _PARTIAL_AT_LAST
    scenes, captions = _drawn(rng, size, related, partial)
    opposites = enumerate(map(opposite, captions)) if begun else ()
    return Batch(scenes, captions, {row: text for row, text in opposites if text is not None})


def draw_tuning_batch(rng: np.random.Generator, size: int) -> tuple[list[Scene], list[str]]:
    """`size` scenes, a multiple of four, and a caption of each, as at the end of the training."""
    return _drawn(rng, size, GROUP * round(_RELATED * size / GROUP), _PARTIAL_AT_LAST)


def opposite(caption: str) -> str | None:
    """The caption with its relation turned round, which is false of its scene; None where it tells none."""
    relation = parse(caption).relation
    return None if relation is None else caption.replace(f" {relation} ", f" {OPPOSITE[relation]} ")


def _drawn(
    rng: np.random.Generator, size: int, related: int, partial: float
) -> tuple[list[Scene], list[str]]:
    scenes = scene_batch(rng, size - related)
    captions = [
        partial_caption(scene, rng) if rng.random() < partial else scene_captions(scene, rng, 1)[0]
        for scene in scenes
    ]
    telling, of_relations = _related(rng, related)
    return scenes + telling, captions + of_relations


def _related(rng: np.random.Generator, count: int) -> tuple[list[Scene], list[str]]:
    """`count` training scenes, each with a caption that tells how its two kinds stand to each other."""
    scenes, captions = list[Scene](), list[str]()
    while len(scenes) < count:
        scene = sample_scene(rng, "train")
        [caption] = scene_captions(scene, rng, 1)
        if parse(caption).relation is not None:
            scenes.append(scene)
            captions.append(caption)
    return scenes, captions
