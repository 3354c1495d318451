"""Text-only training of the adaptor (paper, section on text reconstruction training).

CLIP puts an image and its caption near each other, so an adaptor that learns to write a caption back from its
noisy text feature can later write one from an image's features. Both towers are frozen: text features are
computed once, and each time a caption is seen its feature gets fresh region noise.

A step is a function of the seed, its number and the weights it starts from. Several workers share one step's
captions and noise, so that their number does not change what is learnt, and a resume goes on as if nothing
had happened.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parallel import DistributedDataParallel

from maccap.adaptor.adaptor import Adaptor
from maccap.adaptor.caption_tokens import CaptionTokens
from maccap.adaptor.length_bucketing import BatchPlan
from maccap.adaptor.loss import CaptionLoss, caption_loss
from maccap.adaptor.noise import RegionNoise
from maccap.adaptor.schedule import warmup_cosine
from maccap.adaptor.text_regions import Phrases, TextFeatures, region_draws
from maccap.config import TrainingConfig
from maccap.image.clip import FrozenClip
from maccap.keyed_random import normals
from maccap.runtime.half_products import half_products
from maccap.text.language_model import FrozenLanguageModel

_MOMENTS = ("exp_avg", "exp_avg_sq")


def text_features(clip: FrozenClip, captions: Sequence[str], batch: int = 512) -> Tensor:
    """CLIP text features [len(captions), D], float32, unit length; equal captions are encoded once."""
    distinct = {caption: index for index, caption in enumerate(dict.fromkeys(captions))}
    # neighbours of similar length, since a batch is as long as its longest text
    texts = sorted(distinct, key=len)
    features = torch.empty(len(texts), clip.embed_dim)
    for start in range(0, len(texts), batch):
        part = texts[start : start + batch]
        features[[distinct[text] for text in part]] = clip.encode_text(part).float().cpu()
    return features[[distinct[caption] for caption in captions]]


class TrainingText(NamedTuple):
    """M captions as training reads them."""

    tokens: CaptionTokens
    features: TextFeatures
    phrases: Phrases | None = None  # parts that regions read beside the caption; None: the caption alone


class Figures(NamedTuple):
    """Of one step or one evaluation, over all workers."""

    loss: float  # nats per text token
    accuracy: float  # fraction of text tokens that were the most likely one


class AdaptorTrainer:
    """Trains `adaptor` in place to write captions back from their text features.

    A feature is repeated `regions` times, each copy with noise of its own, as an image's regions will be;
    with `text.phrases` each copy has one of the caption's parts added.
    Where torch.distributed runs, every process makes a trainer of the same arguments and takes its `rank`'s
    fraction of each batch; gradients are summed over all `world` of them.

    Raises ValueError where captions and features differ in number, or a batch cannot be shared out evenly.
    """

    def __init__(
        self,
        adaptor: Adaptor,
        lm: FrozenLanguageModel,
        text: TrainingText,
        *,
        regions: int,
        noise: RegionNoise,
        config: TrainingConfig,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if len(text.tokens) != len(text.features):
            raise ValueError(f"{len(text.tokens)} captions, but {len(text.features)} features")
        if config.batch % (world * config.accumulate):
            raise ValueError(
                f"a batch of {config.batch} captions does not divide into {world} workers times "
                f"{config.accumulate} parts (training.accumulate); make it a multiple of "
                f"{world * config.accumulate}"
            )
        self.adaptor, self.lm, self.text, self.config = adaptor, lm, text, config
        self.plan = BatchPlan(text.tokens.lengths, config.batch, config.seed)
        self._regions, self._noise = regions, noise
        self._rank, self._world = rank, world
        self._model: nn.Module = DistributedDataParallel(adaptor) if world > 1 else adaptor
        self._optimizer = torch.optim.AdamW(
            adaptor.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def learning_rate(self, step: int) -> float:
        """Of step `step`, from 0."""
        config = self.config
        return config.learning_rate * warmup_cosine(step, config.steps, config.warmup)

    def train_step(self, step: int) -> Figures:
        """Step number `step`, from 0: every one must be run in turn."""
        config = self.config
        self.adaptor.train()
        rows = self.plan.rows(step)
        # over all workers, since batches are padded differently and all tokens count alike
        tokens = int(self.text.tokens.lengths[rows].sum())
        parts = np.array_split(np.arange(self._rank, len(rows), self._world), config.accumulate)
        sums = torch.zeros(2, dtype=torch.float64)
        self._optimizer.zero_grad()
        for number, positions in enumerate(parts):
            torch.manual_seed(_number(config.seed, step, self._rank, number))  # of dropout
            with self._gradients_stay_here(number + 1 < len(parts)):
                result = self._loss(self._model, self.text, rows[positions], f"step {step}", positions)
                # gradients are averaged over workers
                (result.total * (self._world / tokens)).backward()
            sums += torch.stack([result.total.detach(), result.right]).double().cpu()
        torch.nn.utils.clip_grad_norm_(self.adaptor.parameters(), config.gradient_clip)
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate(step)
        self._optimizer.step()
        return self._figures(sums, tokens)

    @torch.no_grad()
    def evaluate(self, text: TrainingText) -> Figures:
        """Reconstruct captions that training does not see, with the same noise every time."""
        self.adaptor.eval()
        sums = torch.zeros(2, dtype=torch.float64)
        mine = np.arange(self._rank, len(text.tokens), self._world)
        size = max(1, self.config.batch // (self._world * self.config.accumulate))
        for start in range(0, len(mine), size):
            rows = mine[start : start + size]
            result = self._loss(self.adaptor, text, rows, "held out", rows)
            sums += torch.stack([result.total, result.right]).double().cpu()
        return self._figures(sums, int(text.tokens.lengths.sum()))

    def state(self) -> dict[str, Tensor]:
        """Weights and the optimiser's moments: with the number of the next step, all that a resume needs."""
        tensors = {f"adaptor.{name}": value for name, value in self.adaptor.state_dict().items()}
        for name, parameter in self.adaptor.named_parameters():
            moments = self._optimizer.state[parameter]
            tensors |= {f"{moment}.{name}": moments[moment] for moment in _MOMENTS if moments}
        return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}

    def load_state(self, tensors: dict[str, Tensor], step: int) -> None:
        """Go on at `step` from a `state`."""
        weights = {
            name.removeprefix("adaptor."): value
            for name, value in tensors.items()
            if name.startswith("adaptor.")
        }
        self.adaptor.load_state_dict(weights)
        for name, parameter in self.adaptor.named_parameters():
            self._optimizer.state[parameter] = {
                "step": torch.tensor(float(step)),
                **{moment: tensors[f"{moment}.{name}"].to(parameter.device) for moment in _MOMENTS},
            }

    def _loss(
        self,
        model: nn.Module,
        text: TrainingText,
        rows: NDArray[np.integer],
        occasion: str,
        positions: NDArray[np.integer],
    ) -> CaptionLoss:
        """Of captions `rows`; their noise belongs to the `occasion` and their `positions` there."""
        device = self.lm.device
        ids, mask = text.tokens.batch(rows)
        clean = self.regions_of(text, rows, occasion, positions).to(device)
        shape = tuple(clean.shape[1:])
        eps = np.stack([normals(self.config.seed, occasion, int(position), shape) for position in positions])
        noisy = self._noise(clean, torch.from_numpy(eps).to(device))
        with half_products(device, self.config.bfloat16), _attention(device):
            return caption_loss(self.lm, model(noisy), ids.to(device), mask.to(device))

    def regions_of(
        self,
        text: TrainingText,
        rows: NDArray[np.integer],
        occasion: str,
        positions: NDArray[np.integer],
    ) -> Tensor:
        """What the adaptor reads of captions `rows`, before noise: [B, N, D], float32."""
        captions = text.features[torch.from_numpy(rows)].float()
        if text.phrases is None:
            return captions[:, None].expand(-1, self._regions, -1)
        draws = region_draws(self.config.seed, occasion, positions, self._regions)
        return text.phrases.regions(captions, rows, draws)

    def _gradients_stay_here(self, more_follow: bool) -> AbstractContextManager[None]:
        if more_follow and isinstance(self._model, DistributedDataParallel):
            return self._model.no_sync()
        return nullcontext()

    def _figures(self, sums: Tensor, tokens: int) -> Figures:
        if self._world > 1:
            sums = sums.to(self.lm.device)
            torch.distributed.all_reduce(sums)
        loss, right = (sums / tokens).tolist()
        return Figures(loss, right)


def _attention(device: torch.device) -> AbstractContextManager[None]:
    """On a CPU the fused attention kernel's backward takes several times as long as plain products."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()


def _number(*parts: int) -> int:
    """A seed that belongs to these numbers alone."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=7).digest(), "big")
