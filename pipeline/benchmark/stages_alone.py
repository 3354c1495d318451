"""Each stage by itself on the first tar: milliseconds an image, and the share of what the machine can do."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from maccap.config import Config, DecodingConfig
from pipeline.benchmark.arithmetic import CandidateArithmetic, image_flops, text_flops
from pipeline.benchmark.machine import MachineLimits, measure_machine, timed
from pipeline.benchmark.setup import Setup, work_of
from pipeline.benchmark.ways import own_process
from pipeline.execution.in_process import local_steps

_TIMES = 2  # each stage is timed, after a first time that warms up; the least counts


class StageTime(Config):
    """What one stage takes of each image, and shares of the machine's limits where they are counted."""

    stage: str
    milliseconds: float
    of_matrix_rate: float | None = None
    of_bandwidth: float | None = None


class Alone(Config):
    """All that is measured of single stages."""

    machine: MachineLimits
    stages: list[StageTime]
    gflop: float  # 10^9 operations an image that captioning needs, with a draw of noise a candidate
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
        steps: list[Any] = local_steps(self.stages, setup.resources)
        self.pixels, self.features, self.candidates, self.rerank = steps
        sampler = self.candidates.sample
        self.arithmetic = CandidateArithmetic(sampler.adaptor, sampler.lm)

    def measure(self) -> Alone:
        (first, *_) = work_of(self.setup.source)
        read = next(iter(self.stages.read(first))).samples
        with_pixels = self.pixels(read)
        with_candidates = self.candidates(self.features(with_pixels))
        images, decoding = read.num_rows, self.setup.decoding
        image, text = image_flops(self.features.extract.clip), self._text_flop(with_candidates)
        times = [
            self._time("file to pixels, one core", images, lambda: self.pixels(read)),
            self._time("CLIP image tower and regions", images, lambda: self.features(with_pixels), image),
            *self._language_model(images),
            self._time("rerank: CLIP text tower", images, lambda: self.rerank(with_candidates), text),
        ]
        k, regions = decoding.candidates, self.features.regions
        alone = self.arithmetic.candidates(k, 1, decoding.max_new_tokens, regions)
        shared = self.arithmetic.candidates(k, k, decoding.max_new_tokens, regions)
        return Alone(
            machine=self.machine,
            stages=times,
            gflop=round((image + alone + text) / 1e9, 2),
            gflop_shared=round((image + shared + text) / 1e9, 2),
        )

    def _language_model(self, images: int) -> list[StageTime]:
        """Adaptor, prefill and steps, for as many rows at once as the sampler takes."""
        import torch

        from maccap.text.decoding import decode

        sampler, length = self.candidates.sample, self.setup.decoding.max_new_tokens
        k, regions = self.setup.decoding.candidates, self.features.regions
        rows = min(images * k, sampler.draws_at_once(self.setup.decoding))
        noisy = torch.randn(rows, regions, self.features.dim, device=self.setup.device)
        numbers = torch.rand(rows, length, dtype=torch.float64)
        with torch.inference_mode():
            prefix = sampler.adaptor(noisy)

        def adaptor() -> None:
            with torch.inference_mode():
                sampler.adaptor(noisy)

        def text(tokens: int) -> None:
            config = DecodingConfig(candidates=1, strategy="sample", max_new_tokens=tokens)
            decode(sampler.lm, prefix, sampler.lm.prompt_ids(), config, numbers[:, :tokens])

        prefill = self._least(lambda: text(1))
        steps = max(self._least(lambda: text(length)) - prefill, 1e-9)
        traffic = self.arithmetic.step_bytes(rows, length - 1) * (length - 1) * k / rows
        step_flop = k * self.arithmetic.steps(length - 1)
        return [
            self._time("adaptor", rows / k, adaptor, k * self.arithmetic.prefix(regions)),
            self._stage("prefill", prefill * k / rows, k * self.arithmetic.prefill()),
            self._stage(f"decode, {length - 1} steps of {rows} rows", steps * k / rows, step_flop, traffic),
        ]

    def _text_flop(self, samples: pa.Table) -> float:
        """Operations of CLIP's text tower on the candidates of an image."""
        texts = [c["text"] for of_image in samples["candidates"].to_pylist() for c in of_image]
        # the end token has the largest id
        tokens = self.rerank.rerank.clip.tokenize(texts).argmax(dim=-1) + 1
        one = text_flops(self.rerank.rerank.clip, float(tokens.float().mean()))
        return self.setup.decoding.candidates * one

    def _time(
        self, stage: str, images: float, work: Callable[[], object], flop: float | None = None
    ) -> StageTime:
        return self._stage(stage, self._least(work) / images, flop)

    def _stage(
        self, stage: str, seconds: float, flop: float | None, traffic: float | None = None
    ) -> StageTime:
        """From seconds, operations and bytes an image."""
        rate, bandwidth = self.machine.gflops * 1e9, self.machine.gigabytes * 1e9
        return StageTime(
            stage=stage,
            milliseconds=round(seconds * 1e3, 3),
            of_matrix_rate=None if flop is None else round(flop / seconds / rate, 3),
            of_bandwidth=None if traffic is None else round(traffic / seconds / bandwidth, 3),
        )

    def _least(self, work: Callable[[], object]) -> float:
        return min([timed(work, self.setup.device) for _ in range(1 + _TIMES)][1:])
