"""Each stage by itself on the first tar: milliseconds per image, and the fraction of what the machine can
do.
"""

from collections.abc import Callable
from functools import partial

import pyarrow as pa

from maccap.config import Config, DecodingConfig
from pipeline.benchmark.arithmetic import CandidateArithmetic, image_flops, text_flops
from pipeline.benchmark.machine import MachineLimits, measure_machine, timed
from pipeline.benchmark.setup import Setup, work_of
from pipeline.benchmark.ways import own_process
from pipeline.execution.caption_stages import ShardWork
from pipeline.execution.in_process import built_steps
from pipeline.stages.candidates import CandidateStage
from pipeline.stages.features import FeatureStage
from pipeline.stages.rerank import RerankStage
from pipeline.stages.stage import Stage

_TIMES = 2  # each stage is timed, after a first time that warms up; the least counts


class StageTime(Config):
    """What one stage takes of each image, the bytes of a row that it passes on (between operators that run in
    processes of their own, through the object store), and fractions of the machine's limits where they are
    counted.
    """

    stage: str
    milliseconds: float
    bytes_passed_on: int | None = None
    of_matrix_rate: float | None = None
    of_bandwidth: float | None = None


class Alone(Config):
    """All that is measured of single stages."""

    machine: MachineLimits
    stages: list[StageTime]
    gflop: float  # 10^9 operations per image that captioning needs, with a draw of noise a candidate
    gflop_shared: float  # with one draw an image, and so one prefill


def stages_alone(setup: Setup) -> Alone:
    """Measure in a process of its own, the machine first."""
    with own_process() as pool:
        return pool.submit(_measure, setup).result()


def _measure(setup: Setup) -> Alone:
    return _Bench(setup).measure()


class _Bench:
    def __init__(self, setup: Setup) -> None:
        _, dtype = setup.runtime.apply()
        self.setup, self.machine = setup, measure_machine(setup.device, dtype)
        self.stages = setup.stages("unused")
        self.steps = built_steps(self.stages, setup.resources)

    def measure(self) -> Alone:
        """Every stage of a run, in order, each on what the one before it made."""
        (first, *_) = work_of(self.setup.source)
        samples = next(iter(self.stages.read(first))).samples
        times = [_passing_on(self._time("read", samples.num_rows, partial(self._read, first)), samples)]
        gflop = gflop_shared = 0.0
        for step, stage in self.steps:
            before, samples = samples, step.run(stage, samples)
            if isinstance(stage, CandidateStage):
                model = _LanguageModel(stage, before["features"].type.list_size // stage.dim)
                times += self._language_model(model, before.num_rows)
                alone, shared = model.flops(self.setup.decoding)
            else:
                alone = shared = self._tower_flops(stage, before) or 0.0
                work = partial(stage, before)
                times.append(self._time(step.stage.title, before.num_rows, work, alone or None))
            times[-1] = _passing_on(times[-1], samples)
            gflop, gflop_shared = gflop + alone / 1e9, gflop_shared + shared / 1e9
        return Alone(
            machine=self.machine, stages=times, gflop=round(gflop, 2), gflop_shared=round(gflop_shared, 2)
        )

    def _read(self, shard: ShardWork) -> None:
        next(iter(self.stages.read(shard)))

    def _language_model(self, model: "_LanguageModel", images: int) -> list[StageTime]:
        """Adaptor, prefill and steps, for as many rows at once as the sampler takes."""
        import torch

        from maccap.text.decoding import decode

        decoding, sampler, lm, arithmetic = self.setup.decoding, model.sampler, model.lm, model.arithmetic
        length, k = decoding.max_new_tokens, decoding.candidates
        rows = min(images * k, sampler.draws_at_once(decoding))
        noisy = torch.randn(rows, model.regions, model.dim, device=self.setup.device)
        numbers = torch.rand(rows, length, dtype=torch.float64)
        with torch.inference_mode():
            prefix = sampler.adaptor(noisy)

        def adaptor() -> None:
            with torch.inference_mode():
                sampler.adaptor(noisy)

        def text(tokens: int) -> None:
            config = DecodingConfig(candidates=1, strategy="sample", max_new_tokens=tokens)
            decode(lm, prefix, lm.prompt_ids(), config, numbers[:, :tokens])

        prefill = self._least(lambda: text(1))
        steps = max(self._least(lambda: text(length)) - prefill, 1e-9)
        traffic = arithmetic.step_bytes(rows, length - 1) * (length - 1) * k / rows
        step_flop = k * arithmetic.steps(length - 1)
        return [
            self._time("adaptor", rows / k, adaptor, k * arithmetic.prefix(model.regions)),
            self._stage("prefill", prefill * k / rows, k * arithmetic.prefill()),
            self._stage(f"decode, {length - 1} steps of {rows} rows", steps * k / rows, step_flop, traffic),
        ]

    def _tower_flops(self, stage: Stage, samples: pa.Table) -> float | None:
        """Operations of each image, of the stages with a tower of CLIP."""
        if isinstance(stage, FeatureStage):
            return image_flops(stage.extract.clip)
        if isinstance(stage, RerankStage):
            texts = [c["text"] for of_image in samples["drawn"].to_pylist() for c in of_image]
            clip = stage.rerank.clip
            tokens = clip.tokenize(texts).argmax(dim=-1) + 1  # the end token has the largest id
            return self.setup.decoding.candidates * text_flops(clip, float(tokens.float().mean()))
        return None

    def _time(
        self, stage: str, images: float, work: Callable[[], object], flop: float | None = None
    ) -> StageTime:
        return self._stage(stage, self._least(work) / images, flop)

    def _stage(
        self, stage: str, seconds: float, flop: float | None, traffic: float | None = None
    ) -> StageTime:
        """From seconds, operations and bytes per image."""
        rate, bandwidth = self.machine.gflops * 1e9, self.machine.gigabytes * 1e9
        return StageTime(
            stage=stage,
            milliseconds=round(seconds * 1e3, 3),
            of_matrix_rate=None if flop is None else round(flop / seconds / rate, 3),
            of_bandwidth=None if traffic is None else round(traffic / seconds / bandwidth, 3),
        )

    def _least(self, work: Callable[[], object]) -> float:
        return min([timed(work, self.setup.device) for _ in range(1 + _TIMES)][1:])


def _passing_on(time: StageTime, samples: pa.Table) -> StageTime:
    return time.model_copy(update={"bytes_passed_on": round(samples.nbytes / samples.num_rows)})


class _LanguageModel:
    """What the stage of candidates computes with."""

    def __init__(self, stage: CandidateStage, regions: int) -> None:
        self.sampler, self.dim, self.regions = stage.sample, stage.dim, regions
        self.lm = self.sampler.engine.language_model()
        self.arithmetic = CandidateArithmetic(self.sampler.adaptor, self.lm)

    def flops(self, decoding: DecodingConfig) -> tuple[float, float]:
        """Operations of each image, with a draw of noise per candidate and with one for all of them."""
        k, tokens = decoding.candidates, decoding.max_new_tokens
        alone, shared = (self.arithmetic.candidates(k, draws, tokens, self.regions) for draws in (1, k))
        return alone, shared
