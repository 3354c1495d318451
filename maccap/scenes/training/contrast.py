"""Train a CLIP from nothing as CLIPs are trained: both towers at once, by contrast alone between images and
one caption of each, in which much is left out.

Real CLIPs have what the method is about: a gap between images and texts, and a global feature that no caption
of a part is nearest to. A gap stays open where the logit scale is high from the start; that of the
two towers of `train_clip.py`, which are taught to coincide, never opens.

An image's global feature alone would leave its patch tokens without meaning. The second term of the loss is a
late interaction (Yao et al., FILIP, 2022, between tokens and words): a caption is held against what the
adaptor will read of an image, `normalise(global + region_i)` for the method's own regions, and the regions
that suit it best count.

Left to random captions, who stands left of whom stays a guess however long both towers train: few captions
tell it, and neither tower gains by telling it before the other does. So late in training there is a stretch
of scenes whose captions all tell a relation, each held against the same caption turned round (Yuksekgonul et
al., NegCLIP, 2023, do so with words in another order); after it, they are a part of every batch.
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
from maccap.scenes.training.near_copies import GROUP, also_true, related_pairs, scene_batch, turned
from maccap.scenes.training.progress import ProgressReport
from maccap.scenes.training.scene_clip import VOCABULARY, SceneClip, model_config, write_vocabulary
from maccap.scenes.world.captions import partial_caption, scene_captions
from maccap.scenes.world.scene import Scene

REGIONS = RegionConfig(count=10, weighting="attention")
_PARTIAL = 0.4  # of the captions name a part of the scene alone
_LOGIT_SCALE, _MAX_LOGIT_SCALE = 60.0, 100.0
_SHARPNESS = 30.0  # of the choice among an image's regions
_STATE = "training.pt"
_SAVE_EVERY = 100
_WARM_UP, _DECAY = 200, 0.2
_RELATIONS_ONLY = (0.73, 0.78)  # of all steps; from the first of the two on, relations are a part of it
_RELATED = 0.25  # of a batch from then on
_TURNED_WEIGHT, _TURNED_SCALE = 4.0, 100.0


class ContrastTraining:
    """Both towers of a new CLIP in `folder`, as open_clip reads it, and where their training stands: a
    training that was stopped is continued. Raises ValueError for one that was begun with another seed.
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
        of images that pick their caption by their global feature and by their regions, and in time their
        caption rather than the same one turned round.
        """
        scenes, captions = self._scenes(step, batch)
        excluded = also_true(scenes, captions)
        rows = [row for row, caption in enumerate(captions) if turned(caption)] if self._tells(step) else []
        texts, opposites = self.clip.encode_texts(
            [*captions, *(str(turned(captions[row])) for row in rows)]
        ).split([batch, len(rows)])
        image = self.clip.encode_tokens(scenes)
        loss, right = _picked(self.clip.model.logit_scale, image.global_ @ texts.T, excluded)
        read = F.normalize(combine(image.global_, region_features(image, REGIONS), 1.0), dim=-1)
        by_region = torch.einsum("bnd,cd->bnc", read, texts)
        chosen = torch.softmax(_SHARPNESS * by_region.detach(), dim=1)
        late, late_right = _picked(self.region_scale, (chosen * by_region).sum(1), excluded)
        figures = {
            "contrast": loss.item(),
            "right": right,
            "late": late.item(),
            "right_by_region": late_right,
        }
        total = loss + late
        if rows:
            nearer = (image.global_[rows] * (texts[rows] - opposites)).sum(-1)
            told = F.softplus(-_TURNED_SCALE * nearer).mean()
            total = total + _TURNED_WEIGHT * told
            figures |= {"turned": told.item(), "right_way": (nearer > 0).float().mean().item()}
        self._training.step(total)
        with torch.no_grad():
            for scale in (self.clip.model.logit_scale, self.region_scale):
                scale.clamp_(max=float(np.log(_MAX_LOGIT_SCALE)))
        self.step = step + 1
        return figures

    def _scenes(self, step: int, batch: int) -> tuple[list[Scene], list[str]]:
        rng = np.random.default_rng([21, self.seed, step])
        related = 0
        if self._tells(step):
            only = step < _RELATIONS_ONLY[1] * self.steps
            related = batch if only else GROUP * round(_RELATED * batch / GROUP)
        scenes = scene_batch(rng, batch - related)
        captions = [
            partial_caption(scene, rng) if rng.random() < _PARTIAL else scene_captions(scene, rng, 1)[0]
            for scene in scenes
        ]
        telling, told = related_pairs(rng, related)
        return scenes + telling, captions + told

    def _tells(self, step: int) -> bool:
        return step >= _RELATIONS_ONLY[0] * self.steps

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
        self.clip.model.load_state_dict(state["clip"])
        self.region_scale.data.copy_(state["region_scale"])
        for optimizer, kept in zip(self._training.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        for schedule, kept in zip(self._training.schedules, state["schedules"], strict=True):
            schedule.load_state_dict(kept)
        return int(state["step"])

    def _rate(self, step: int) -> float:
        """Level after a warm-up, and to zero in the last fifth: a longer training shares its beginning."""
        left = (self.steps - step) / (_DECAY * self.steps)
        return min(1.0, (step + 1) / _WARM_UP, max(0.01, left))


def _picked(scale: Tensor, cosines: Tensor, excluded: Tensor) -> tuple[Tensor, float]:
    """CLIP's loss over the cosines [B, B] of images and captions, without the `excluded` pairs, and the
    fraction of images that pick their own caption.
    """
    logits = (scale.exp() * cosines).masked_fill(excluded, -1e4)
    target = torch.arange(len(logits))
    loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    return loss, (logits.argmax(1) == target).float().mean().item()
