"""Train a CLIP from nothing as CLIPs are trained: both towers at once, by contrast alone between images and
one caption of each, in which much is left out.

Real CLIPs have what the method is about: a gap between images and texts, and a global feature that no caption
of a part is nearest to. A gap stays open where the logit scale is high from the start; that of the
two towers of `train_clip.py`, which are taught to coincide, never opens.

An image's global feature alone would leave its patch tokens without meaning. The second term of the loss is a
late interaction (Yao et al., FILIP, 2022, between tokens and words): a caption is held against what the
adaptor will read of an image, `normalise(global + region_i)` for the method's own regions, and the regions
that suit it best count.

A third term holds captions that tell how things stand to each other against their opposites, late in
training (curriculum.py).
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from maccap.config import RegionConfig
from maccap.image.regions import combine, region_features
from maccap.scenes.training.block_training import BlockTraining
from maccap.scenes.training.curriculum import RELATIONS_FROM, draw_batch
from maccap.scenes.training.near_copies import also_true
from maccap.scenes.training.progress import ProgressReport
from maccap.scenes.training.scene_clip import VOCABULARY, SceneClip, model_config, write_vocabulary

REGIONS = RegionConfig(count=10, weighting="attention")
_LOGIT_SCALE, _MAX_LOGIT_SCALE = 60.0, 100.0
_SHARPNESS = 30.0  # of the choice among an image's regions
_STATE = "training.pt"
_SAVE_EVERY = 100
_WARM_UP, _DECAY = 200, 0.2
_OPPOSITE_WEIGHT, _OPPOSITE_SCALE = 4.0, 100.0


class ContrastTraining:
    """Both towers of a new CLIP in `folder`, as open_clip reads it, and where their training stands: a
    training that was stopped is continued. Raises ValueError for one that was begun with another seed, or was
    to be longer or shorter and is near its end.
    """

    def __init__(
        self, folder: Path, steps: int, *, width: int, layers: int, embed_dim: int, seed: int = 0,
        learning_rate: float = 1e-3,
    ) -> None:  # fmt: skip
        self.folder, self.steps, self.seed = folder, steps, seed
        torch.manual_seed(seed)
        vocabulary = write_vocabulary(folder, seed)
        self.clip = SceneClip(model_config(vocabulary, width, layers, embed_dim), folder / VOCABULARY)
        nn.init.constant_(self.clip.model.logit_scale, np.log(_LOGIT_SCALE))
        self.region_scale = nn.Parameter(torch.tensor(float(np.log(_LOGIT_SCALE))))
        learning = {**dict(self.clip.model.named_parameters()), "region_scale": self.region_scale}
        self._training = BlockTraining(learning, steps, learning_rate)
        self._training.schedules = [
            LambdaLR(optimizer, self._rate) for optimizer in self._training.optimizers
        ]
        self.step = self._continued()

    def train(self, batch: int = 192) -> None:
        """To the last step."""
        report = ProgressReport("CLIP by contrast", self.steps)
        for step in range(self.step, self.steps):
            report(step, **self.train_step(step, batch))
            if self.step % _SAVE_EVERY == 0 or self.step == self.steps:
                self.save()

    def train_step(self, step: int, batch: int) -> dict[str, float]:
        """Learn from the `batch` scenes that belong to `step`; returns the losses in nats, and the fractions
        of images that pick their caption by their global feature and by their regions, and their caption
        rather than its opposite.
        """
        scenes, captions, opposites = draw_batch(self.seed, step, self.steps, batch)
        excluded = also_true(scenes, captions)
        texts, opposed = self.clip.encode_texts([*captions, *opposites.values()]).split(
            [len(captions), len(opposites)]
        )
        image = self.clip.encode_tokens(scenes)
        loss, right = contrastive_loss(self.clip.model.logit_scale, image.global_ @ texts.T, excluded)
        read = F.normalize(combine(image.global_, region_features(image, REGIONS), 1.0), dim=-1)
        late, late_right = contrastive_loss(self.region_scale, late_cosines(read, texts), excluded)
        figures = {
            "contrast": loss.item(),
            "right": right,
            "late": late.item(),
            "right_by_region": late_right,
        }
        total = loss + late
        if opposites:
            rows = list(opposites)
            nearer = (image.global_[rows] * (texts[rows] - opposed)).sum(-1)
            confused = F.softplus(-_OPPOSITE_SCALE * nearer).mean()
            total = total + _OPPOSITE_WEIGHT * confused
            figures |= {"opposite": confused.item(), "right_way": (nearer > 0).float().mean().item()}
        self._training.step(total)
        with torch.no_grad():
            for scale in (self.clip.model.logit_scale, self.region_scale):
                scale.clamp_(max=float(np.log(_MAX_LOGIT_SCALE)))
        self.step = step + 1
        return figures

    def save(self) -> None:
        """The CLIP, and beside it what a later command continues from."""
        self.clip.save(self.folder)
        partial = self.folder / f"{_STATE}.partial"
        torch.save(self._state(), partial)
        partial.replace(self.folder / _STATE)

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "seed": self.seed,
            "steps": self.steps,
            "clip": self.clip.model.state_dict(),
            "region_scale": self.region_scale.data,
            "optimizers": [optimizer.state_dict() for optimizer in self._training.optimizers],
            "schedules": [schedule.state_dict() for schedule in self._training.schedules],
        }

    def _continued(self) -> int:
        path = self.folder / _STATE
        if not path.exists():
            return 0
        state = torch.load(path, weights_only=True)
        if state["seed"] != self.seed:
            raise ValueError(
                f"{self.folder} was begun with seed {state['seed']}, not {self.seed}; remove it or use "
                "another work folder"
            )
        step, steps = state["step"], state.get("steps", 0)  # 0.6.0 kept none, and taught no relations
        if steps != self.steps and step >= RELATIONS_FROM * min(steps or self.steps, self.steps):
            raise ValueError(
                f"{self.folder} was trained {step} steps of {steps or 'an earlier recipe'}, where a training "
                f"of {self.steps} reads other scenes; remove it or use another work folder"
            )
        self.clip.model.load_state_dict(state["clip"])
        self.region_scale.data.copy_(state["region_scale"])
        for optimizer, kept in zip(self._training.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        for schedule, kept in zip(self._training.schedules, state["schedules"], strict=True):
            schedule.load_state_dict(kept)
        return int(step)

    def _rate(self, step: int) -> float:
        """Level after a warm-up, and to zero in the last fifth: a longer training shares its beginning."""
        left = (self.steps - step) / (_DECAY * self.steps)
        return min(1.0, (step + 1) / _WARM_UP, max(0.01, left))


def late_cosines(read: Tensor, texts: Tensor) -> Tensor:
    """Cosines [B, C] of images, by what an adaptor reads of them [B, N, D], and texts [C, D]: a mean over
    regions, in which those that suit the text best weigh most.
    """
    by_region = torch.einsum("bnd,cd->bnc", read, texts)
    chosen = torch.softmax(_SHARPNESS * by_region.detach(), dim=1)
    return (chosen * by_region).sum(1)


def contrastive_loss(scale: Tensor, cosines: Tensor, excluded: Tensor) -> tuple[Tensor, float]:
    """CLIP's loss over the cosines [B, B] of images and captions, without the `excluded` pairs, and the
    fraction of images that pick their own caption.
    """
    logits = (scale.exp() * cosines).masked_fill(excluded, -1e4)
    target = torch.arange(len(logits))
    loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    return loss, (logits.argmax(1) == target).float().mean().item()
