"""Train the built-in CLIP from nothing on rendered scenes: first its text tower, then its image tower.

The text tower learns from text alone: a caption that leaves details out finds the complete caption of its
scene among those of near copies. Then it is locked, and the image tower learns to put an image where its
complete caption is. Trained so, images and captions share one region of the space; a CLIP whose towers learn
together leaves a gap between them, which an adaptor that has read only texts pays for. (Real CLIPs have that
gap; region noise is the method's answer to it.)

Beside the contrastive loss, a shared readout asks both towers for numbers, the relation and the place; a
dense loss names what each patch shows: without it the patch tokens that region features are made of would
mean nothing. Patches are also asked where their kind stands, which the image's own feature then gathers.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from maccap.scenes.training.block_training import BlockTraining
from maccap.scenes.training.dense import CLASSES, Sides, dense_loss
from maccap.scenes.training.near_copies import also_true, scene_batch
from maccap.scenes.training.progress import ProgressReport
from maccap.scenes.training.readout import Readout, facts_of_scenes, facts_of_texts
from maccap.scenes.training.scene_clip import VOCABULARY, SceneClip, model_config, write_vocabulary
from maccap.scenes.world.captions import complete_caption, scene_captions, tags
from maccap.scenes.world.scene import Scene

READOUT_WEIGHTS = "readout.safetensors"  # kept for the image tower; no part of the bundle
_TAGS_SHARE = 0.15
_READOUT_WEIGHT = 0.5
_DENSE_WEIGHT = 4.0
_SIDES_WEIGHT = 0.5
_ALIGNMENT_WEIGHT = 10.0
_MAX_LOGIT_SCALE = 40.0


def train_text_tower(
    folder: Path, steps: int, *, width: int, layers: int, embed_dim: int, batch: int = 256,
    learning_rate: float = 1e-3, seed: int = 0,
) -> None:  # fmt: skip
    """Train the text tower of a new CLIP (`width` and `layers` are its image tower's) on `steps` batches of
    `batch` scenes' captions. The CLIP goes into `folder` as open_clip reads it, the readout beside it.
    """
    torch.manual_seed(seed)
    vocabulary = write_vocabulary(folder, seed)
    clip = SceneClip(model_config(vocabulary, width, layers, embed_dim), folder / VOCABULARY)
    readout = Readout(embed_dim)
    rng = np.random.default_rng([2, seed])
    training = BlockTraining(
        {**clip.text_parameters(), **dict(readout.named_parameters())}, steps, learning_rate
    )
    report = ProgressReport("CLIP, text tower", steps)
    for step in range(steps):
        scenes = scene_batch(rng, batch)
        complete = [complete_caption(scene, rng) for scene in scenes]
        captions = [scene_captions(scene, rng, 1)[0] for scene in scenes]
        captions = [tags(text, rng) if rng.random() < _TAGS_SHARE else text for text in captions]
        features = clip.encode_texts([*complete, *captions])
        whole, partial = features.chunk(2)
        contrast, right = contrastive_loss(clip.model.logit_scale, whole, partial, scenes, captions)
        facts = facts_of_texts([*complete, *captions])
        told = readout.loss(features, facts)
        training.step(contrast + _READOUT_WEIGHT * told)
        with torch.no_grad():
            clip.model.logit_scale.clamp_(max=float(np.log(_MAX_LOGIT_SCALE)))
        read = readout.accuracy(features, facts)
        report(step, contrast=contrast.item(), right=right, readout=told.item(), numbers=read)
        if (step + 1) % 250 == 0 or step + 1 == steps:
            clip.save(folder)
            save_file(readout.state_dict(), folder / READOUT_WEIGHTS)


def train_image_tower(
    folder: Path, steps: int, *, batch: int = 128, learning_rate: float = 1e-3, seed: int = 0
) -> None:
    """Train the image tower of the CLIP that `train_text_tower` left in `folder` and save it there."""
    torch.manual_seed(seed)
    clip = SceneClip.load(folder)
    readout = Readout(clip.config["embed_dim"]).requires_grad_(False)
    readout.load_state_dict(load_file(folder / READOUT_WEIGHTS))
    rng = np.random.default_rng([4, seed])
    sides = Sides(clip.config["embed_dim"])
    learning = {**dict(clip.visual.named_parameters()), **dict(sides.named_parameters())}
    training = BlockTraining(learning, steps, learning_rate)
    report = ProgressReport("CLIP, image tower", steps)
    with torch.no_grad():
        names = clip.encode_texts(CLASSES)
    for step in range(steps):
        scenes = scene_batch(rng, batch)
        complete = [complete_caption(scene, rng) for scene in scenes]
        captions = [scene_captions(scene, rng, 1)[0] for scene in scenes]
        with torch.no_grad():
            whole, partial = clip.encode_texts([*complete, *captions]).chunk(2)
        image, patches = clip.encode_scenes(scenes)
        cosine = (image * whole).sum(-1).mean()
        contrast, right = contrastive_loss(clip.model.logit_scale.detach(), image, partial, scenes, captions)
        facts = facts_of_scenes(scenes)
        shown = readout.loss(image, facts)
        dense = dense_loss(patches, names, scenes)
        side, placed = sides.loss(patches[0], scenes)
        training.step(
            _ALIGNMENT_WEIGHT * (1 - cosine)
            + contrast
            + 2 * _READOUT_WEIGHT * shown
            + _DENSE_WEIGHT * dense
            + _SIDES_WEIGHT * side
        )
        report(
            step,
            cosine=cosine.item(),
            contrast=contrast.item(),
            right=right,
            readout=shown.item(),
            numbers=readout.accuracy(image, facts),
            relations=readout.relations_right(image, facts),
            dense=dense.item(),
            sides=placed,
        )
        if (step + 1) % 100 == 0 or step + 1 == steps:
            clip.save(folder)


def contrastive_loss(
    logit_scale: Tensor, whole: Tensor, partial: Tensor, scenes: list[Scene], captions: list[str]
) -> tuple[Tensor, float]:
    """CLIP's loss over images or complete captions `whole` [B, D] and the `captions`' features `partial`
    [B, D]: each picks its own among the other's, those that are also true of it left out. And the fraction of
    rows of `whole` that pick rightly.
    """
    logits = (logit_scale.exp() * whole @ partial.T).masked_fill(also_true(scenes, captions), -1e4)
    target = torch.arange(len(logits))
    loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    return loss, (logits.argmax(1) == target).float().mean().item()
