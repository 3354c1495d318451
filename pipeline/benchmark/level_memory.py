"""Whether memory stays level over a long run: of each kind of process, and of the object store."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from statistics import fmean

import psutil

from maccap.bundle import built_in_bundle_path
from maccap.config import Config
from pipeline.benchmark.processes import processes_by_kind
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_periodically import run_periodically

_LEVEL_FROM = 0.2  # of a run, what comes before is start and warm-up
_TENTHS = 10


class KindMemory(Config):
    """All processes of a kind together, in MB of 2^20 bytes, without what they share with others: the mean of
    each tenth of the run.
    """

    most_processes: int
    tenths: list[int]

    @property
    def growth(self) -> float:
        """From the third tenth to the last, as a fraction."""
        level = self.tenths[int(_LEVEL_FROM * _TENTHS)]
        return self.tenths[-1] / level - 1 if level else 0.0


class LevelMemory(Config):
    """One run of `images`."""

    images: int
    seconds: float
    kinds: dict[str, KindMemory]

    def lines(self) -> Iterator[str]:
        """A table for a person."""
        yield f"{self.images:,} images in {self.seconds:,.0f} s; MB in each tenth of it, by kind of process"
        for name, kind in sorted(self.kinds.items()):
            tenths = "".join(f"{mb:7,}" for mb in kind.tenths)
            yield f"{name:24} {kind.most_processes:3} {tenths}  {kind.growth:+.0%} from the third to the last"


def measure_memory(
    source: str, output: str, config: CaptionJobConfig, seconds: float, say: Callable[[str], object]
) -> LevelMemory:
    """Caption SOURCE through a local Ray with the built-in model, looking every so many `seconds`."""
    from pipeline.caption import caption_archive

    looks = MemoryLooks()
    began = time.monotonic()
    with run_periodically(seconds, looks.look):
        summary = caption_archive(source, output, str(built_in_bundle_path()), config, say=say)
    return LevelMemory(
        images=summary.new_rows, seconds=round(time.monotonic() - began, 1), kinds=looks.by_kind()
    )


class MemoryLooks:
    """What the processes below this one, and it, hold, time after time."""

    def __init__(self) -> None:
        self._looks: list[dict[str, tuple[int, float]]] = []

    def look(self) -> None:
        held: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
        for kind, process in processes_by_kind():
            with suppress(psutil.Error):  # it has ended
                memory = process.memory_info()
                count, mb = held[kind]
                held[kind] = (count + 1, mb + (memory.rss - memory.shared) / (1 << 20))
        held["object store"] = (0, object_store_mb())
        self._looks.append(dict(held))

    def by_kind(self) -> dict[str, KindMemory]:
        """Means of the tenths of all looks; of fewer than ten looks, some count twice."""
        looks = self._looks
        parts = [
            looks[
                n * len(looks) // _TENTHS : max(
                    (n + 1) * len(looks) // _TENTHS, n * len(looks) // _TENTHS + 1
                )
            ]
            for n in range(_TENTHS)
        ]
        return {
            kind: KindMemory(
                most_processes=max(look.get(kind, (0, 0.0))[0] for look in looks),
                tenths=[round(fmean(look.get(kind, (0, 0.0))[1] for look in part)) for part in parts],
            )
            for kind in {kind for look in looks for kind in look}
        }


def object_store_mb() -> float:
    """In use on all nodes."""
    import ray

    if not ray.is_initialized():
        return 0.0
    name = "object_store_memory"
    used = ray.cluster_resources().get(name, 0.0) - ray.available_resources().get(name, 0.0)
    return used / (1 << 20)
