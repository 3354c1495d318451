"""The image tower of a CLIP trained by contrast, for the last time: against its finished text tower, with
captions that are nearly true beside the true one.

A batch holds few scenes that differ from another in one number alone. The caption of one can be written at
will, and a frozen text tower reads many of them in the time of one image, so that each image is held against
every way to miscount it (hard negatives of texts as in Yuksekgonul et al., NegCLIP, 2023; a locked tower as
in Zhai et al., LiT, 2022, with images and texts trading places). An adaptor depends on the text tower alone,
and stays what it is; a correction of the gap does not.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from maccap.image.regions import combine, region_features
from maccap.scenes.training.block_training import BlockTraining
from maccap.scenes.training.contrast import REGIONS, contrastive_loss, late_cosines
from maccap.scenes.training.curriculum import draw_tuning_batch
from maccap.scenes.training.false_captions import false_captions
from maccap.scenes.training.near_copies import also_true
from maccap.scenes.training.progress import ProgressReport
from maccap.scenes.training.scene_clip import SceneClip

_SHARPNESS = 100.0  # of the choice among a true caption and its negatives


def tune_image_tower(
    folder: Path, steps: int, *, batch: int = 192, learning_rate: float = 6e-4, seed: int = 0
) -> None:
    """Train the image tower of the CLIP in `folder` further, in place; the text tower and the logit scale
    stay. `batch`, in scenes, is a multiple of four.
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
            negatives = clip.encode_texts([text for own in wrong for text in own]).split([*map(len, wrong)])
        excluded = also_true(scenes, captions)
        image = clip.encode_tokens(scenes)
        read = F.normalize(combine(image.global_, region_features(image, REGIONS), 1.0), dim=-1)
        scale = clip.model.logit_scale
        contrast, right = contrastive_loss(scale, image.global_ @ texts.T, excluded)
        late, _ = contrastive_loss(scale, late_cosines(read, texts), excluded)
        negative, told = _hard_negative_loss(image.global_, texts, negatives)
        by_region, _ = _hard_negative_loss(F.normalize(read.mean(1), dim=-1), texts, negatives)
        training.step(contrast + late + negative + by_region)
        report(
            step, contrast=contrast.item(), right=right, late=late.item(), negative=negative.item(), told=told
        )
    clip.save(folder)


def _hard_negative_loss(images: Tensor, texts: Tensor, negatives: tuple[Tensor, ...]) -> tuple[Tensor, float]:
    """The loss, in nats, of images [B, D] that are each to choose their text of [B, D] before negatives of
    its own, [M, D], and the fraction of negatives that are farther.
    """
    nearer = [(own - text) @ image for image, text, own in zip(images, texts, negatives, strict=True)]
    odds = pad_sequence(nearer, batch_first=True, padding_value=-torch.inf)
    loss = F.softplus(torch.logsumexp(_SHARPNESS * odds, dim=1)).mean()
    return loss, (torch.cat(nearer) < 0).float().mean().item()
