"""The image tower of a CLIP trained by contrast, for the last time: against its finished text tower, with
captions that are nearly true beside the true one.

A batch holds few scenes that differ from another in one number alone. The caption of one can be written at
will, and a frozen text tower reads ten of them in the time of one image, so that each image is held against
every way to miscount it (hard negatives of texts as in Yuksekgonul et al., NegCLIP, 2023; a locked tower as
in Zhai et al., LiT, 2022, with images and texts trading places). Adaptors depend on the text tower alone,
and stay what they are.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from maccap.image.regions import combine, region_features
from maccap.scenes.training.block_training import BlockTraining
from maccap.scenes.training.contrast import REGIONS, late_cosines, picked
from maccap.scenes.training.curriculum import draw_tuning_batch
from maccap.scenes.training.false_captions import false_captions
from maccap.scenes.training.near_copies import also_true
from maccap.scenes.training.progress import ProgressReport
from maccap.scenes.training.scene_clip import SceneClip

_SHARPNESS = 100.0  # of the choice among a true caption and false ones
_FALSE_WEIGHT = 1.0


def tune_image_tower(
    folder: Path, steps: int, *, batch: int = 192, learning_rate: float = 3e-4, seed: int = 0
) -> None:
    """Train the image tower of the CLIP in `folder` further, in place; the text tower and the logit scale
    stay.
    """
    clip = SceneClip.load(folder)
    clip.model.requires_grad_(False)
    clip.visual.requires_grad_(True)
    training = BlockTraining(dict(clip.visual.named_parameters()), steps, learning_rate)
    report = ProgressReport("CLIP's image tower", steps)
    for step in range(steps):
        rng = np.random.default_rng([22, seed, step])
        scenes, captions = draw_tuning_batch(rng, batch)
        wrong = [false_captions(*pair, rng) for pair in zip(captions, scenes, strict=True)]
        with torch.no_grad():
            texts = clip.encode_texts(captions)
            false = clip.encode_texts([text for own in wrong for text in own])
        owner = torch.repeat_interleave(torch.arange(batch), torch.tensor([len(own) for own in wrong]))
        excluded = also_true(scenes, captions)
        image = clip.encode_tokens(scenes)
        read = F.normalize(combine(image.global_, region_features(image, REGIONS), 1.0), dim=-1)
        scale = clip.model.logit_scale
        contrast, right = picked(scale, image.global_ @ texts.T, excluded)
        late, _ = picked(scale, late_cosines(read, texts), excluded)
        confused, told = _confused(image.global_, texts, false, owner)
        of_regions, _ = _confused(F.normalize(read.mean(1), dim=-1), texts, false, owner)
        training.step(contrast + late + _FALSE_WEIGHT * (confused + of_regions))
        report(
            step, contrast=contrast.item(), right=right, late=late.item(), false=confused.item(), told=told
        )
    clip.save(folder)


def _confused(images: Tensor, texts: Tensor, false: Tensor, owner: Tensor) -> tuple[Tensor, float]:
    """The loss of images [B, D] that are to choose their text [B, D] before the false ones [F, D], each of
    its `owner` [F], and the fraction of false texts that are farther.
    """
    nearer = (images[owner] * (false - texts[owner])).sum(-1)
    odds = torch.zeros(len(images)).index_add(0, owner, (_SHARPNESS * nearer).exp())
    return torch.log1p(odds).mean(), (nearer < 0).float().mean().item()
