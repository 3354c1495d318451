"""The last phase of training the embedded CLIP: move its images to where their captions are.

A contrastive loss leaves a gap: images and captions match best among each other, yet lie in two separate
regions of the space. An adaptor that has only seen text features then reads an image's feature as a poorer
caption than it is. Here the text tower stays as it is, and the image tower learns to put an image at the mean
of its captions. (Real CLIPs keep their gap; region noise is the method's answer to it.)
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from maccap.schedule import warmup_cosine
from maccap.world.captions import CAPTIONS_PER_SCENE, scene_captions
from maccap.world.progress import Report
from maccap.world.train_clip import (
    CLASSES,
    CLIP_WEIGHTS,
    VOCABULARY,
    SceneClip,
    contrastive_loss,
    dense_loss,
    scene_batch,
)

_ALIGNMENT_WEIGHT = 10.0


def align_clip(
    folder: Path, steps: int, *, batch: int = 160, learning_rate: float = 5e-4, seed: int = 0
) -> None:
    """Train the image tower of the CLIP in `folder` for `steps` batches and save it there."""
    torch.manual_seed(seed)
    config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    clip = SceneClip(config, folder / VOCABULARY)
    clip.model.load_state_dict(load_file(folder / CLIP_WEIGHTS))
    parameters = list(clip.visual.parameters())
    rng = np.random.default_rng([4, seed])
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.05)
    schedule = warmup_cosine(optimizer, steps, warmup=min(50, steps))
    report = Report("CLIP, images to captions", steps)
    with torch.no_grad():
        names = clip.encode_texts(CLASSES)
    for step in range(steps):
        scenes = scene_batch(rng, batch)
        captions = [scene_captions(scene, rng) for scene in scenes]
        with torch.no_grad():
            texts = clip.encode_texts([text for row in captions for text in row])
        texts = texts.unflatten(0, (batch, CAPTIONS_PER_SCENE))
        image, patches = clip.encode_scenes(scenes)
        cosine = (image * F.normalize(texts.mean(1), dim=-1)).sum(-1).mean()
        logits = clip.logits(image, texts[:, 0], scenes, [row[0] for row in captions]).float()
        contrast, dense = contrastive_loss(logits), dense_loss(patches, names, scenes)
        optimizer.zero_grad()
        (_ALIGNMENT_WEIGHT * (1 - cosine) + contrast + 0.5 * dense).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        right = (logits.argmax(1) == torch.arange(batch)).float().mean().item()
        report(step, cosine=cosine.item(), contrast=contrast.item(), dense=dense.item(), right=right)
        if (step + 1) % 100 == 0 or step + 1 == steps:
            clip.save(folder)
