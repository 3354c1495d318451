"""One training run from captions to a finished bundle: check, encode what is missing, train, write, mark."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

import numpy as np

from maccap.adaptor.text_regions import distinct_phrases
from maccap.bundle_writing import write_bundle
from maccap.config import BundleConfig, Config
from pipeline.run.progress import live_line
from pipeline.stages.torch_runtime import chosen_precision
from pipeline.storage.errors import RunError, UserError
from pipeline.storage.redact import describe, redacted
from pipeline.storage.urls import absolute
from pipeline.texts import CaptionSet, Division, hold_out
from pipeline.train.config import TrainJobConfig
from pipeline.train.facts import TrainFacts, train_facts
from pipeline.train.feature_cache import FeatureCache, default_cache
from pipeline.train.history import HeldOut, History, StepRecord
from pipeline.train.noise import choose_noise
from pipeline.train.progress import EncodeProgress, TrainProgress
from pipeline.train.run_folder import TrainFolder
from pipeline.train.stopping import stop_requests
from pipeline.train.towers import Towers

if TYPE_CHECKING:
    from pipeline.train.checkpoint import Checkpoint
    from pipeline.train.work import TrainingWork

_LAST_STEPS = 100  # that the summary's loss is the mean of


class TrainSummary(Config):
    """What a finished run says of itself; `summary.json` and the command's last line."""

    output: str
    captions: int
    held_out: int
    newly_encoded: int  # captions whose features were not in the cache
    steps: int
    new_steps: int
    loss: float  # mean of the last 100 steps
    held_out_loss: float | None
    held_out_accuracy: float | None
    seconds: float
    captions_per_second: float


class TrainMachine(Protocol):
    """Where a run computes: this process, or a Ray cluster."""

    @property
    def workers(self) -> int: ...

    @property
    def has_gpu(self) -> bool: ...

    def encode(self, towers: Towers, cache: FeatureCache, texts: Sequence[str]) -> Iterator[int]:
        """Write the chunks that are missing; yields the captions of each as it is written."""

    def train(
        self, work: "TrainingWork", observe: Callable[[StepRecord], object], stop: Callable[[], bool]
    ) -> bool:
        """Take the steps that are left; False where it was stopped before the last."""


def train_bundle(
    captions: CaptionSet, output: str, towers: Towers, config: TrainJobConfig, *, local: bool = False
) -> TrainSummary:
    """Train an adaptor between `towers` on `captions`, and write the bundle to `output`: on the Ray this
    process is connected to, or a new local one, or in this process (`local`).

    Continues where an earlier run with the same arguments stopped, and leaves a finished one as it is. Raises
    UserError, RunError, and KeyboardInterrupt once a checkpoint is saved where the process is asked to stop.
    """
    began = time.monotonic()
    output = absolute(output).rstrip("/")
    folder = TrainFolder(output)
    recorded = folder.recorded()
    machine = _machine(config, local)
    precision = chosen_precision(config.precision, recorded.precision if recorded else None, machine)
    noise = choose_noise(config, captions, towers)
    facts = train_facts(captions, towers, config, precision, noise)
    folder.check(facts)
    if summary := _finished(folder):
        return summary
    division = _divide(captions.texts, facts)
    config.check(machine.workers)
    folder.begin(facts)
    cache, encoded = _features(captions.texts, facts.captions, towers, facts, config, machine)
    parts = None
    if facts.regions.text == "phrases":
        parts = _phrases(captions, towers, facts, config, machine)

    root = noise.measured(cache, folder.top) if noise else None

    from pipeline.train.checkpoint import Checkpoints
    from pipeline.train.work import TrainingWork

    every = (config.evaluate_every, config.checkpoint_every)
    work = TrainingWork(output, facts, towers, cache, parts, root, *every, config.samples)
    checkpoints = Checkpoints(output, facts.run)
    progress = TrainProgress(facts.training.steps, facts.training.batch)
    before = checkpoints.latest()
    if before is None or before.step < facts.training.steps:
        with stop_requests() as stop, live_line(progress):
            done = machine.train(work, progress.add, stop)
        if not done:
            raise KeyboardInterrupt(
                f"stopped. A checkpoint is saved in {output}; the same command resumes from it."
            )
    last = checkpoints.latest()
    if last is None or last.step < facts.training.steps:
        raise RunError(f"no last checkpoint is in {output}/checkpoints; start the same command again")
    _write_bundle(work, division, last)
    new_steps = facts.training.steps - (before.step if before else 0)
    summary = _summary(output, division, facts, encoded, new_steps, progress, time.monotonic() - began)
    folder.finish(summary.model_dump())
    checkpoints.remove()
    return summary


def _machine(config: TrainJobConfig, local: bool) -> TrainMachine:
    if local:
        from pipeline.train.local import TrainInProcess

        return TrainInProcess(config)
    from pipeline.train.ray_train import TrainOnRay

    return TrainOnRay(config)


def _divide(texts: Sequence[str], facts: TrainFacts) -> Division:
    """Raises UserError where too few captions are left to train on."""
    division = hold_out(texts, facts.held_out)
    count, batch = len(division.training), facts.training.batch
    if count < batch:
        raise UserError(
            f"there are {count:,} captions to train on ({len(division.held_out):,} more are held out), fewer "
            f"than a batch of {batch}. Add captions, or lower training.batch (--batch)."
        )
    return division


def _phrases(
    captions: CaptionSet, towers: Towers, facts: TrainFacts, config: TrainJobConfig, machine: TrainMachine
) -> FeatureCache:
    """The complete feature cache of the captions' parts. Raises UserError, RunError."""
    texts = distinct_phrases(captions.texts)
    if not texts:
        raise UserError("regions.text: phrases, but no caption has parts to tell apart; leave it out")
    fingerprint = blake2b("\n".join(texts).encode(), digest_size=16).hexdigest()
    cache, _ = _features(texts, fingerprint, towers, facts, config, machine)
    return cache


def _features(
    texts: Sequence[str],
    fingerprint: str,
    towers: Towers,
    facts: TrainFacts,
    config: TrainJobConfig,
    machine: TrainMachine,
) -> tuple[FeatureCache, int]:
    """The complete feature cache of `texts`, and how many are new in it. Raises UserError, RunError."""
    place = absolute(config.cache) if config.cache else default_cache()
    cache = FeatureCache.within(place, fingerprint, facts.clip_fingerprint, len(texts))
    try:
        if spoilt := cache.begin(texts):
            names = ", ".join(spoilt[:3]) + (" and more" if spoilt[3:] else "")
            print(
                f"{len(spoilt)} files in the cache {redacted(cache.url)} are damaged, or of a version that "
                f"kept no digests, and are made anew: {names}",
                file=sys.stderr,
                flush=True,
            )
        if cache.complete:
            return cache, 0
    except (OSError, ImportError, ValueError) as error:
        raise UserError(
            f"the cache {place} cannot be written: {describe(error)}; name another with --cache"
        ) from None
    chunks, missing = cache.chunks(), cache.missing()
    to_encode = sum(len(chunks[position]) for position in missing)
    there = len(texts) - to_encode
    progress = EncodeProgress(len(texts), done=there, done_before=there)
    try:
        if missing:
            with live_line(progress):
                for count in machine.encode(towers, cache, texts):
                    progress.add(count)
        cache.finish()
    except OSError as error:
        raise RunError(
            f"the cache {place} cannot be written: {describe(error)}. "
            "Put that right and start the same command again: what is there is kept."
        ) from None
    return cache, to_encode


def _write_bundle(work: "TrainingWork", division: Division, checkpoint: "Checkpoint") -> None:
    """The bundle, with the frozen models that have no name of their own. Raises RunError."""
    import torch

    from pipeline.train.work import text_statistics

    facts, towers = work.facts, work.towers
    config = BundleConfig(
        clip=towers.clip,
        llm=towers.llm,
        adaptor=checkpoint.adaptor,
        regions=facts.regions,
        noise_variance=facts.noise_variance,
        inference_noise_variance=facts.inference_noise_variance,
        noise_shared=facts.noise_shared,
        noise_covariance=facts.noise_covariance,
        memory=facts.memory,
        decoding=facts.decoding,
        rerank=facts.rerank,
        training=facts.training,
        training_data=facts.captions,
    )
    memory = None
    if facts.memory is not None:
        numbers = np.random.default_rng(facts.training.seed)
        size = min(facts.memory.size, len(division.training))
        rows = np.sort(numbers.choice(division.training, size, replace=False))
        memory = work.cache.features()[torch.from_numpy(rows)].float()
    try:
        write_bundle(
            work.output,
            config,
            towers.load_clip() if towers.carried("clip") else None,
            towers.load_lm() if towers.carried("llm") else None,
            checkpoint.load_adaptor(),
            memory=memory,
            noise_root=None if work.noise_root is None else torch.from_numpy(work.noise_root),
            texts=text_statistics(work, division.training),
            half=facts.half,
        )
    except OSError as error:
        raise RunError(
            f"the adaptor is trained, but the bundle cannot be written to {work.output}: {describe(error)}. "
            "Put that right and start the same command again: it will only write it."
        ) from None


def _summary(
    output: str,
    division: Division,
    facts: TrainFacts,
    encoded: int,
    new_steps: int,
    progress: TrainProgress,
    seconds: float,
) -> TrainSummary:
    records = History(output).read()
    last = [record.loss for record in records[-_LAST_STEPS:]]
    held_out: HeldOut | None = records[-1].held_out
    return TrainSummary(
        output=output,
        captions=len(division.training),
        held_out=len(division.held_out),
        newly_encoded=encoded,
        steps=facts.training.steps,
        new_steps=new_steps,
        loss=round(sum(last) / len(last), 5),
        held_out_loss=round(held_out.loss, 5) if held_out else None,
        held_out_accuracy=round(held_out.accuracy, 5) if held_out else None,
        seconds=round(seconds, 2),
        captions_per_second=round(progress.captions_per_second, 1),
    )


def _finished(folder: TrainFolder) -> TrainSummary | None:
    """What the finished run in `folder` said of itself, but for new work, of which there is none."""
    summary = folder.finished_summary(TrainSummary)
    here = {"output": folder.top.url, "new_steps": 0, "newly_encoded": 0}
    return summary.model_copy(update=here) if summary else None
