"""Whole ways from image files to reranked captions, each in a process of its own that stays for all rounds.

A process of its own gives each way its own peak memory, and rounds that take turns give all an equal part
of a machine that others use too.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from typing import Any, Literal, Protocol

from maccap.config import Config
from pipeline.benchmark.memory import Peak, own_peak
from pipeline.benchmark.setup import Setup, work_of
from pipeline.chunk import Chunk
from pipeline.execution.caption_stages import CaptionStages
from pipeline.run.run_folder import CAPTIONS
from pipeline.storage.folder import Folder

BEAMS, SAMPLING = "baseline, 4 beams", "baseline, sampling"
OURS, SHARED = "ours", "ours, one draw for all samples"
WAYS = (BEAMS, SAMPLING, OURS, SHARED)


class Round(Config):
    """A source captioned."""

    images: int
    tokens: int  # of all candidates
    seconds: float


class Way(Protocol):
    """Captions the images of a source, and returns all their candidates."""

    def __call__(self, source: str) -> list[list[str]]: ...

    def tokens(self, text: str) -> int: ...


class Ours:
    """The pipeline's own stages in one process, from a tar to a written Parquet file."""

    def __init__(self, setup: Setup) -> None:
        from pipeline.execution.in_process import built_steps
        from pipeline.stages.candidates import CandidateStage

        self._stages = setup.stages("bare")
        self._steps = built_steps(self._stages, setup.resources)
        self._write = self._stages.write()
        Folder(f"{self._stages.output}/{CAPTIONS}").make()
        (candidates,) = (stage for _, stage in self._steps if isinstance(stage, CandidateStage))
        self._tokenizer = candidates.sample.engine.language_model().tokenizer

    def __call__(self, source: str) -> list[list[str]]:
        from pipeline.execution.in_process import captioned

        drawn = []
        for chunk in _chunks(self._stages, source):
            done = captioned(chunk, self._steps)
            self._write(done)
            drawn += done.samples["candidates"].to_pylist()
        return [[candidate["text"] for candidate in of_image] for of_image in drawn]

    def tokens(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))


class Baseline:
    """The authors' scheme on the same tars."""

    def __init__(self, setup: Setup, search: Literal["beams", "sampling"]) -> None:
        from maccap.bundle import Bundle
        from pipeline.benchmark.authors_captioning import AuthorsCaptioning

        device, dtype = setup.runtime.apply()
        self._stages = setup.stages("unused")
        self._caption = AuthorsCaptioning(
            Bundle.open(setup.model),
            device,
            dtype,
            search=search,
            candidates=setup.decoding.candidates,
            max_new_tokens=setup.decoding.max_new_tokens,
        )

    def __call__(self, source: str) -> list[list[str]]:
        chunks = _chunks(self._stages, source)
        return self._caption([file for chunk in chunks for file in chunk.samples["image"].to_pylist()])[1]

    def tokens(self, text: str) -> int:
        return len(self._caption.lm.tokenizer.encode(text, add_special_tokens=False))


def _chunks(stages: CaptionStages, source: str) -> Iterator[Chunk]:
    return chain.from_iterable(map(stages.read, work_of(source)))


def open_way(name: str, setup: Setup) -> Way:
    """One of WAYS, its weights loaded."""
    if name == BEAMS:
        return Baseline(setup, "beams")
    if name == SAMPLING:
        return Baseline(setup, "sampling")
    if name == SHARED:
        together = {"samples_per_draw": setup.decoding.candidates}
        setup = setup.model_copy(update={"decoding": setup.decoding.model_copy(update=together)})
    return Ours(setup)


class WayProcess:
    """A way in its own process, which loads its weights while others do, and ends with `close`."""

    def __init__(self, name: str, setup: Setup) -> None:
        self._pool = own_process(_open, name, setup)
        self._loaded = self._pool.submit(own_peak)

    def wait(self) -> None:
        """Until its weights are loaded and it has captioned a few images to warm up."""
        self._loaded.result()

    def round(self, source: str) -> Round:
        """Caption `source`."""
        return self._pool.submit(_round, source).result()

    def peak(self) -> Peak:
        """Of the process until now."""
        return self._pool.submit(own_peak).result()

    def close(self) -> None:
        self._pool.shutdown()


def own_process(initializer: Callable[..., None] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """One fresh process; `initializer` is called in it first."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, context, initializer=initializer, initargs=arguments)


_way: Way


def _open(name: str, setup: Setup) -> None:
    global _way
    _way = open_way(name, setup)
    _way(setup.warm_up)


def _round(source: str) -> Round:
    began = time.perf_counter()
    candidates = _way(source)
    seconds = time.perf_counter() - began
    tokens = sum(_way.tokens(text) for of_image in candidates for text in of_image)
    return Round(images=len(candidates), tokens=tokens, seconds=seconds)
