"""A bundle adapted to the images that it will caption: the gap between them and the adaptor's texts, measured
on some of them and closed. No captions of theirs are needed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from maccap.adaptor.gap import GapCorrection, Statistics
from maccap.adaptor.training import text_features
from maccap.bundle import Bundle
from maccap.bundle_writing import check_place, write_corrected
from maccap.config import Config, GapConfig
from maccap.image.features import ImageFeatures
from maccap.own_captions import gap_by_own_captions
from pipeline.chunk import Chunk
from pipeline.execution.caption_stages import CaptionStages
from pipeline.execution.in_process import built_steps, captioned, cores
from pipeline.formats.array_columns import read_half
from pipeline.plan.counting import spread
from pipeline.prepare import check_kept_features, open_bundle, run_facts
from pipeline.run.config import CaptionJobConfig
from pipeline.run.progress import live_line
from pipeline.sources import ChunkLimits, Shard, SourceOptions, check_shards, plan_source, read_chunks
from pipeline.stages.decode import DecodeStage
from pipeline.stages.features import FeatureStage
from pipeline.stages.resources import StageResources
from pipeline.storage.errors import RunError, UserError
from pipeline.storage.redact import describe, redacted
from pipeline.storage.urls import absolute
from pipeline.texts import load_captions

_SHARDS = 64  # of which images are taken, if there are as many
_AT_ONCE = 128  # images
_TEXTS = 10_000  # captions, at most
_FEWEST = 100  # images, and captions, that say something of a distribution


class Adapted(Config):
    """What was done; the command's last line. `distance` is that of the mean image from the mean text, both
    of features of unit length, before the correction.
    """

    output: str
    images: int
    errors: int
    distance: float


def adapt_bundle(
    model: str,
    source: str,
    output: str,
    images: int,
    config: CaptionJobConfig,
    captions: Sequence[str] = (),
    rounds: int = 0,
    say: Callable[[str], object] = lambda line: None,
) -> Adapted:
    """Write the bundle `model` to `output`, corrected by up to so many images from all over `source`, in so
    many `rounds` of captioning them. Of a run that kept its features, these are read.

    Where its texts lie it says itself, or `captions` do, files of what it was trained on. Raises UserError,
    and RunError where a stage breaks or the bundle cannot be written.
    """
    model, source, output = absolute(model), absolute(source), absolute(output).rstrip("/")
    bundle = open_bundle(model)
    if model.rstrip("/") == output:
        raise UserError(f"OUTPUT {redacted(output)} is MODEL itself, which stays as it is. Choose another.")
    try:
        check_place(output)
    except OSError as error:
        raise UserError(f"OUTPUT {describe(error)}") from None
    texts = _texts(bundle, model, captions)
    plan = plan_source(source, SourceOptions.of(config))
    say(f"SOURCE {redacted(source)} is taken for {plan.line()}")
    if plan.from_features:
        check_kept_features(source, bundle)
    check_shards(plan.shards)
    config = config.model_copy(update={"keep_features": True})
    facts = run_facts(source, plan, model, bundle, config, "float32")
    own = () if plan.from_features else (DecodeStage, FeatureStage)
    stages = CaptionStages(output, bundle.pixel_spec(), facts, config, plan.columns, stages=own)
    looked = _Looked(images)
    with live_line(looked):
        for chunk in _chunks(stages, plan.shards, images):
            looked.add(chunk, bundle.config.adaptor.clip_dim)
            if looked.images >= images:
                break
    if looked.images < min(_FEWEST, images):
        raise UserError(f"{looked.images} images of {redacted(source)} can be read; it takes {_FEWEST}")
    seen = torch.cat(looked.features)
    if texts.sample is None:
        say(
            f"model {redacted(model)} kept none of its training texts, as those of older versions: each "
            "dimension is corrected by itself, without rounds. Captions as it was trained on (--captions "
            "FILE) make a better correction."
        )
        measured, gap = (
            GapConfig(images=looked.images),
            GapCorrection.by_dimension(Statistics.of(seen), texts),
        )
    else:
        gap = _learned(bundle, looked, texts.sample.float(), rounds)
        measured = GapConfig(images=looked.images, captions=len(texts.sample), rounds=rounds)
    try:
        write_corrected(bundle, output, gap, measured)
    except OSError as error:
        raise RunError(f"the bundle cannot be written to {redacted(output)}: {describe(error)}") from None
    distance = float((gap.images - gap.texts).norm())
    return Adapted(
        output=redacted(output), images=looked.images, errors=looked.errors, distance=round(distance, 4)
    )


@dataclass
class _Looked:
    """What was seen of the images so far."""

    wanted: int
    images: int = 0
    errors: int = 0

    def __post_init__(self) -> None:
        self.features: list[Tensor] = []
        self.global_: list[Tensor] = []
        self.ids: list[str] = []

    def add(self, chunk: Chunk, dim: int) -> None:
        """What the adaptor would read of a chunk's images, whose features are of `dim` dimensions."""
        errors = np.array([error is not None for error in chunk.samples["error"].to_pylist()])
        rows = np.flatnonzero(~errors)[: self.wanted - self.images].tolist()
        self.errors += int(errors.sum())
        if rows:
            read = torch.from_numpy(read_half(chunk.samples["features"], rows)).float()
            self.features.append(read.view(len(rows), -1, dim))
            self.global_.append(torch.from_numpy(read_half(chunk.samples["global"], rows)).float())
            self.ids += [chunk.samples["image_id"][row].as_py() for row in rows]
            self.images += len(rows)

    def facts(self) -> dict[str, Any]:
        return {"images": self.images, "of": self.wanted, "errors": self.errors}

    def line(self) -> str:
        return f"{self.images:,} of {self.wanted:,} images, {self.errors:,} errors"


@dataclass
class _Captioned:
    """How many images were captioned, in all rounds."""

    wanted: int
    images: int = 0

    def add(self, images: int) -> None:
        self.images += images

    def facts(self) -> dict[str, Any]:
        return {"captioned": self.images, "of": self.wanted}

    def line(self) -> str:
        return f"{self.images:,} of {self.wanted:,} captions of its own"


def _learned(bundle: Bundle, looked: _Looked, texts: Tensor, rounds: int) -> GapCorrection:
    """Raises UserError where nothing can be learned."""
    if len(texts) < _FEWEST:
        raise UserError(f"{len(texts)} captions say too little of where texts lie; it takes {_FEWEST}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images = ImageFeatures(torch.cat(looked.global_), torch.cat(looked.features))
    clip = bundle.load_clip(device)
    if not rounds:
        return GapCorrection.by_captions(images.features, texts, clip.logit_scale)
    parts = (clip, bundle.load_sampler(device), images, looked.ids, texts)
    progress = _Captioned(rounds * looked.images)
    try:
        with live_line(progress):
            return gap_by_own_captions(*parts, bundle.config.decoding, rounds, progress.add)
    except ValueError as error:
        raise UserError(str(error)) from None


def _texts(bundle: Bundle, model: str, captions: Sequence[str]) -> Statistics:
    """Where the adaptor's texts lie. Raises UserError."""
    kept = bundle.load_text_statistics()
    if kept is not None and not captions:
        return kept
    if not captions:
        raise UserError(
            f"model {redacted(model)} does not say where its training texts lie; neither do the package's "
            "own, those of older versions and of the authors. Give captions like those it was trained on: "
            "--captions FILE."
        )
    texts = load_captions(captions).texts
    rows = np.random.default_rng(0).choice(len(texts), min(_TEXTS, len(texts)), replace=False)
    return Statistics.of(text_features(bundle.load_clip(), [texts[row] for row in sorted(rows)]))


def _chunks(stages: CaptionStages, shards: Sequence[Shard], images: int) -> Iterator[Chunk]:
    """Images from all over the archive with their features, some from each of several shards and, where
    these are too few, from others. Raises RunError.
    """
    limits = stages.config.limits()
    each = -(-images // min(_SHARDS, max(1, len(shards))))
    few = ChunkLimits(min(each, _AT_ONCE), limits.bytes, limits.max_bytes)
    built = built_steps(
        stages, StageResources(num_cpus=1, num_gpus=torch.cuda.is_available(), torch_threads=cores())
    )
    try:
        for shard in spread(shards):
            rows = 0
            for chunk in read_chunks(shard, few, {}):
                some = chunk.with_samples(chunk.samples.slice(0, each - rows))  # kept features: a whole file
                yield captioned(some, built)
                rows += some.samples.num_rows
                if rows >= each:
                    break
    finally:
        for _, stage in built:
            stage.close()
