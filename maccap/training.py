"""Text-only training of the adaptor (paper, section on text reconstruction training).

CLIP puts an image and its caption near each other, so an adaptor that learns to write a caption back from its
noisy text feature can later write one from an image's features. Both towers are frozen: text features are
computed once, and each time a caption is seen its feature gets fresh region noise.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from maccap.adaptor import Adaptor
from maccap.clip import FrozenClip
from maccap.config import TrainingConfig
from maccap.language_model import FrozenLanguageModel
from maccap.loss import caption_loss
from maccap.noise import add_noise
from maccap.schedule import warmup_cosine


def text_features(clip: FrozenClip, captions: Sequence[str], batch: int = 512) -> Tensor:
    """CLIP text features [len(captions), D], float32, unit length; equal captions are encoded once."""
    distinct = {caption: index for index, caption in enumerate(dict.fromkeys(captions))}
    # neighbours of like length, since a batch is as long as its longest text
    texts = sorted(distinct, key=len)
    features = torch.empty(len(texts), clip.embed_dim)
    for start in range(0, len(texts), batch):
        part = texts[start : start + batch]
        features[[distinct[text] for text in part]] = clip.encode_text(part).float().cpu()
    return features[[distinct[caption] for caption in captions]]


def train_adaptor(
    adaptor: Adaptor,
    lm: FrozenLanguageModel,
    captions: Sequence[str],
    features: Tensor,
    *,
    regions: int,
    noise_variance: float,
    config: TrainingConfig,
    report: Callable[..., None],
) -> None:
    """Train `adaptor` in place to write `captions` back from their text `features` [len(captions), D].

    A feature is repeated `regions` times, each copy with noise of its own, as an image's regions will be.
    `report(step, loss=..., accuracy=...)` is called once a step; accuracy is that of the next text token.
    Raises ValueError where captions and features differ in number.
    """
    if len(captions) != len(features):
        raise ValueError(f"{len(captions)} captions, but {len(features)} features")
    device = lm.device
    chosen = torch.Generator().manual_seed(config.seed)
    torch.manual_seed(config.seed)  # dropout and, on a GPU, noise
    optimizer = torch.optim.AdamW(
        adaptor.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = warmup_cosine(optimizer, config.steps, config.warmup)
    adaptor.train()
    order = torch.empty(0, dtype=torch.long)
    for step in range(config.steps):
        if len(order) < config.batch:
            order = torch.cat([order, torch.randperm(len(captions), generator=chosen)])
        rows, order = order[: config.batch], order[config.batch :]
        ids, mask = lm.caption_ids([captions[i] for i in rows.tolist()], config.max_tokens)
        clean = features[rows].to(device)[:, None].expand(-1, regions, -1)
        noisy = add_noise(clean, torch.randn(clean.shape, device=device), noise_variance)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.bfloat16):
            loss, accuracy = caption_loss(lm, adaptor(noisy), ids, mask)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(adaptor.parameters(), config.gradient_clip)
        optimizer.step()
        schedule.step()
        report(step, loss=loss.item(), accuracy=accuracy.item())
    adaptor.eval()
