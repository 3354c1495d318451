"""Whether captions depend on how many images are captioned together, and how fast that is, by precision."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from rich.table import Table

from maccap.captioner import Caption, Captioner
from maccap.config import Config
from maccap.scenes.world.render import render
from maccap.scenes.world.scene import split_scenes

Strategy = Literal["greedy", "sample", "beam"]
STRATEGIES: tuple[Strategy, ...] = ("greedy", "sample", "beam")
_SIDE, _SEED, _CANDIDATES = 192, 0, 5
Say = Callable[[str], None]


class BatchRun(Config):
    """The scenes captioned `batch` at a time; what differs, differs from the first batch size's."""

    precision: str
    strategy: Strategy
    batch: int
    images_per_second: float
    captions: int  # that differ
    candidates: int


class BatchRuns(Config):
    """What `maccap benchmark --batches` finds."""

    images: int
    of_each: int  # candidates
    runs: list[BatchRun]

    def tables(self) -> Iterator[Table]:
        title = (
            f"{self.images:,} scenes, {self.of_each} candidates each: what differs from the first batch size"
        )
        table = Table("precision", "strategy", title=title, title_justify="left", title_style="bold")
        for name in ("batch", "images/s", "other captions", "other candidates"):
            table.add_column(name, justify="right")
        for run in self.runs:
            counts = (
                str(run.batch),
                f"{run.images_per_second:.1f}",
                f"{run.captions:,}",
                f"{run.candidates:,}",
            )
            table.add_row(run.precision, run.strategy, *counts)
        yield table


def measure_batches(
    model: str | None, precisions: Sequence[str], batches: Sequence[int], count: int, say: Say
) -> BatchRuns:
    """Caption `count` scenes in batches of each size, in each precision and by each strategy."""
    images = [render(scene, _SIDE) for scene in split_scenes("test", count, _SEED)]
    ids = [str(number) for number in range(count)]
    runs = []
    for precision in precisions:
        captioner = Captioner.from_pretrained(model, dtype=getattr(torch, precision))
        for strategy in STRATEGIES:
            decoding = captioner.config.decoding.model_copy(
                update={"candidates": _CANDIDATES, "samples_per_draw": 1, "strategy": strategy}
            )
            first: list[Caption] | None = None
            for batch in batches:
                began = time.perf_counter()
                found = captioner.caption(images, ids=ids, decoding=decoding, batch_images=batch)
                seconds = time.perf_counter() - began
                first = first or found
                runs.append(
                    BatchRun(
                        precision=precision,
                        strategy=strategy,
                        batch=batch,
                        images_per_second=round(count / seconds, 2),
                        captions=sum(a.text != b.text for a, b in zip(first, found, strict=True)),
                        candidates=sum(
                            one.text != other.text
                            for a, b in zip(first, found, strict=True)
                            for one, other in zip(a.candidates, b.candidates, strict=True)
                        ),
                    )
                )
                say(runs[-1].model_dump_json())
    return BatchRuns(images=count, of_each=_CANDIDATES, runs=runs)
