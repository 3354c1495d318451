"""A benchmark from options to report: makes what is captioned, and who captions it."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from maccap.bundle import built_in_bundle_path
from maccap.config import Config, DecodingConfig
from maccap.scenes.world.archive import ArchiveConfig, write_archive
from pipeline.benchmark.end_to_end import compare_ray, compare_ways
from pipeline.benchmark.random_models import write_random_bundle
from pipeline.benchmark.report import Growth, Report, Subject
from pipeline.benchmark.setup import Setup
from pipeline.benchmark.stages_alone import stages_alone
from pipeline.benchmark.through_ray import RayProcess
from pipeline.prepare import open_bundle
from pipeline.stages.torch_runtime import Precision

Say = Callable[[str], None]

_WARM_UP, _SEED = 4, 0
_GROWTH_SIZE, _GROWTH_TAR = 192, 20  # the built-in model's images; small tars, so that 100 images are many


class Options(Config):
    """What `maccap benchmark` is asked to measure."""

    model: str | None
    clip: str
    llm: str
    candidates: int
    new_tokens: int
    images: int
    rounds: int
    image_size: int
    precision: Precision
    gpu: bool


def benchmark(options: Options, work: Path, say: Say) -> Report:
    """Stages alone, all ways in turn, and through Ray; files go into the folder `work`."""
    tar = math.ceil(options.images / options.rounds)
    if options.model is not None:
        open_bundle(options.model)
    say("writing model and images")
    setup = _setup(options, work)
    _archive(work / "images", (options.rounds + 1) * tar, options.image_size, tar)
    _archive(work / "warm-up", _WARM_UP, options.image_size, _WARM_UP)
    say("each stage alone")
    alone = stages_alone(setup)
    say("all ways, turn by turn")
    ways = compare_ways(setup, say)
    say("through Ray, and the bare process beside it")
    ray = compare_ray(setup, say)
    return Report(measured=_measured(options, options.rounds * tar), alone=alone, ways=ways, ray=ray)


def grow(options: Options, counts: Sequence[int], work: Path, say: Say) -> Growth:
    """Caption so many scenes through Ray, with the built-in model unless another is named."""
    options = options.model_copy(update={"model": options.model or str(built_in_bundle_path())})
    open_bundle(str(options.model))
    setup = _setup(options, work).model_copy(update={"source": str(work / "images" / str(counts[0]))})
    for count in counts:
        say(f"rendering {count:,} scenes")
        _archive(work / "images" / str(count), count, _GROWTH_SIZE, _GROWTH_TAR)
    _archive(work / "warm-up", _WARM_UP, _GROWTH_SIZE, _WARM_UP)
    on_ray, runs = RayProcess(setup), []
    try:
        for count in counts:
            say(f"captioning {count:,} images")
            runs.append(on_ray.run(str(work / "images" / str(count))))
    finally:
        on_ray.close()
    return Growth(measured=_measured(options, sum(counts)), runs=runs)


def _setup(options: Options, work: Path) -> Setup:
    decoding = DecodingConfig(
        candidates=options.candidates, max_new_tokens=options.new_tokens, strategy="sample"
    )
    model = options.model
    if model is None:
        model = str(work / "model")
        write_random_bundle(Path(model), options.clip, options.llm, decoding)
    return Setup(
        model=model,
        source=str(work / "images"),
        warm_up=str(work / "warm-up"),
        work=str(work),
        decoding=decoding,
        gpu=options.gpu,
        precision=options.precision,
    )


def _archive(folder: Path, count: int, size: int, per_tar: int) -> None:
    config = ArchiveConfig(split="test", count=count, seed=_SEED, size=size, per_shard=per_tar)
    for _ in write_archive(folder, config):
        pass


def _measured(options: Options, images: int) -> Subject:
    return Subject(
        model=options.model or f"{options.clip} + {options.llm}, random weights",
        candidates=options.candidates,
        new_tokens=options.new_tokens,
        images=images,
        image_size=options.image_size,
        precision=options.precision,
    )
