"""What the patches of an image are taught while the built-in CLIP's image tower trains."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from maccap.scenes.training.scene_clip import PATCH, SIDE
from maccap.scenes.world.captions import object_phrase
from maccap.scenes.world.lexicon import BACKGROUNDS, NOUNS, OPPOSITE, RELATIONS
from maccap.scenes.world.render import patch_labels
from maccap.scenes.world.scene import Scene

CLASSES = [
    *(object_phrase(noun, count) for noun in range(len(NOUNS)) for count in (1, 2, 3)),
    *(background.phrases[0] for background in BACKGROUNDS),
]
_SCALE = 30.0
_UNTOLD = -100  # what cross_entropy passes over


def dense_loss(patches: Tensor, names: Tensor, scenes: list[Scene]) -> Tensor:
    """Each patch token [L, B, P, D] picks what it shows among the CLASSES' features `names` [C, D]:
    the place, or the kind with the number of it in the image, so that patches look for their like.

    Asked of the last block but one as well: what its patches know, the image's own feature can gather.
    """
    labels = torch.from_numpy(np.stack([_class_labels(scene) for scene in scenes]))
    logits = (_SCALE * patches @ names.T).flatten(0, 2)
    return F.cross_entropy(logits, labels.flatten().repeat(len(patches)))


class Sides(nn.Linear):
    """On which side of the other kind each patch's kind stands; thrown away after training."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, len(RELATIONS))

    def loss(self, patches: Tensor, scenes: list[Scene]) -> tuple[Tensor, float]:
        """Mean nats over the patches, of tokens [B, P, D] of unit length, that show one of two kinds which
        stand clearly apart, and the fraction of them that are right; zeros where no scene has such.
        """
        labels = torch.from_numpy(np.stack([_side_labels(scene) for scene in scenes])).flatten()
        asked = labels != _UNTOLD
        if not asked.any():
            return patches.new_zeros(()), 0.0
        logits = self(patches * patches.shape[-1] ** 0.5).flatten(0, 1)[asked]
        right = (logits.argmax(-1) == labels[asked]).float().mean().item()
        return F.cross_entropy(logits, labels[asked]), right


def _class_labels(scene: Scene) -> NDArray[np.int64]:
    """Index into CLASSES for each patch [P]."""
    shown = patch_labels(scene, SIDE // PATCH)
    counts = np.zeros(len(NOUNS), dtype=np.int64)
    for noun, count in scene.counts().items():
        counts[noun] = count
    kinds = np.minimum(shown, len(NOUNS) - 1)
    return np.where(shown < len(NOUNS), 3 * kinds + counts[kinds] - 1, shown + 2 * len(NOUNS))


def _side_labels(scene: Scene) -> NDArray[np.int64]:
    """Index into RELATIONS for each patch [P], or _UNTOLD."""
    labels = np.full((SIDE // PATCH) ** 2, _UNTOLD)
    kinds = list(scene.counts())
    if len(kinds) == 2 and (relation := scene.relation(*kinds)):
        shown = patch_labels(scene, SIDE // PATCH)
        labels[shown == kinds[0]] = RELATIONS.index(relation)
        labels[shown == kinds[1]] = RELATIONS.index(OPPOSITE[relation])
    return labels
