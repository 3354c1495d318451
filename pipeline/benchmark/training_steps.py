"""Captions per second of a training epoch: the authors' loop and ours, turn by turn in one run."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F

from maccap.adaptor.adaptor import Adaptor
from maccap.adaptor.caption_tokens import CaptionTokens
from maccap.adaptor.noise import RegionNoise
from maccap.adaptor.training import AdaptorTrainer, TrainingText
from maccap.config import PAPER_NOISE_VARIANCE, AdaptorConfig, Config, TrainingConfig
from maccap.runtime.half_products import has_half_products
from maccap.runtime.process_memory import peak_mb
from maccap.text.language_model import FrozenLanguageModel
from pipeline.benchmark.authors_training import BATCH, AuthorsTraining
from pipeline.benchmark.random_models import random_clip, random_opt
from pipeline.benchmark.ways import own_process

REGIONS, NOISE_VARIANCE = 10, PAPER_NOISE_VARIANCE
AUTHORS, SINGLE, HALF = "the authors' loop", "ours, float32", "ours, bfloat16 products"
WAYS = (AUTHORS, SINGLE, HALF)


class Sizes(NamedTuple):
    """What is trained: open_clip's and our name of the frozen models, and captions per step of ours."""

    clip: str
    clip_dim: int
    lm: str
    batch: int


class TrainingSpeed(Config):
    """How fast one way of training went, and what it took."""

    what: str
    captions_per_second: float
    times_the_authors: float
    loss: float  # of the last step; weights are random, so it only shows that the step was taken
    peak_memory_mb: int  # of a process that does nothing else


def training_speeds(captions: Sequence[str], sizes: Sizes, rounds: int) -> Iterator[TrainingSpeed]:
    """Train each way, one step each a round, and then each in a process of its own for its memory; in half
    products only where the processor has them.

    Our text features are random: they come out of the cache, whatever they are.
    """
    lm = random_opt(sizes.lm)
    ways = WAYS if has_half_products(lm.device) else (AUTHORS, SINGLE)
    steps = {what: _way(what, captions, sizes, lm) for what in ways}
    seconds, losses = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0.0)
    for number in range(rounds + 1):
        for what, step in steps.items():
            began = time.perf_counter()
            losses[what] = step(number)
            if number:  # the first round warms up
                seconds[what] += time.perf_counter() - began
    rates = {what: rounds * _captions(what, sizes) / seconds[what] for what in ways}
    for what in ways:
        with own_process() as pool:
            peak = pool.submit(_peak_memory, what, list(captions), sizes).result()
        yield TrainingSpeed(
            what=what,
            captions_per_second=round(rates[what], 2),
            times_the_authors=round(rates[what] / rates[AUTHORS], 2),
            loss=round(losses[what], 3),
            peak_memory_mb=peak,
        )


def _way(what: str, captions: Sequence[str], sizes: Sizes, lm: FrozenLanguageModel) -> Callable[[int], float]:
    """A function that takes the step of a number and returns its loss."""
    adaptor = Adaptor(AdaptorConfig(clip_dim=sizes.clip_dim, llm_dim=lm.embedding_dim))
    if what == AUTHORS:
        training = AuthorsTraining(adaptor, random_clip(sizes.clip), lm, REGIONS, NOISE_VARIANCE)

        def step(number: int) -> float:
            start = number * BATCH % (len(captions) - BATCH + 1)
            return training.step(captions[start : start + BATCH])

        return step
    trainer = AdaptorTrainer(
        adaptor,
        lm,
        TrainingText(
            CaptionTokens(lm, captions, 25),
            F.normalize(torch.randn(len(captions), sizes.clip_dim), dim=-1).half(),
        ),
        regions=REGIONS,
        noise=RegionNoise(NOISE_VARIANCE),
        config=TrainingConfig(batch=sizes.batch, bfloat16=what == HALF),
    )
    return lambda number: trainer.train_step(number).loss


def _captions(what: str, sizes: Sizes) -> int:
    return BATCH if what == AUTHORS else sizes.batch


def _peak_memory(what: str, captions: Sequence[str], sizes: Sizes) -> int:
    """MB of this process at most, over two steps."""
    step = _way(what, captions, sizes, random_opt(sizes.lm))
    for number in range(2):
        step(number)
    return peak_mb()
