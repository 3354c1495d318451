"""All ways on the same archive, turn by turn, and then the pipeline on Ray beside the bare process."""

from collections.abc import Callable

from maccap.config import Config
from pipeline.benchmark.memory import Peak
from pipeline.benchmark.setup import Setup
from pipeline.benchmark.through_ray import RayProcess
from pipeline.benchmark.ways import BEAMS, OURS, SAMPLING, WAYS, Round, WayProcess


class WayResult(Config):
    """One way in a bare process."""

    way: str
    images_per_second: float
    tokens_per_second: float
    times_beams: float  # the baseline's images per second
    times_sampling: float
    peak: Peak


class RayResult(Config):
    """`maccap caption`, start and end of the run taken off: what the images of a longer run take more.

    None where the longer run took no more, as may be with a handful of images.
    """

    images_per_second: float | None
    bare_images_per_second: float  # of rounds before, between and after the runs
    of_bare: float | None
    memory_mb: int  # peak of driver and workers together


def compare_ways(setup: Setup, say: Callable[[str], None]) -> list[WayResult]:
    """Each of the archive's tars by each way; all but the first tar, which Ray's run takes off."""
    ways = {name: WayProcess(name, setup) for name in WAYS}
    done: dict[str, list[Round]] = {name: [] for name in WAYS}
    try:
        for way in ways.values():
            way.wait()
        for number, tar in enumerate(setup.tars()[1:], 1):
            for name, way in ways.items():
                result = way.round(tar)
                done[name].append(result)
                say(f"round {number}, {name}: {result.images / result.seconds:.2f} images/s")
        peaks = {name: way.peak() for name, way in ways.items()}
    finally:
        for way in ways.values():
            way.close()
    rates = {name: _rate(of_way) for name, of_way in done.items()}
    tokens = {name: sum(result.tokens for result in of_way) for name, of_way in done.items()}
    images = sum(result.images for result in done[OURS])
    return [
        WayResult(
            way=name,
            images_per_second=round(rates[name], 3),
            tokens_per_second=round(tokens[name] / images * rates[name], 1),
            times_beams=round(rates[name] / rates[BEAMS], 2),
            times_sampling=round(rates[name] / rates[SAMPLING], 2),
            peak=peaks[name],
        )
        for name in WAYS
    ]


def compare_ray(setup: Setup, say: Callable[[str], None]) -> RayResult:
    """Caption the first tar and the whole archive: start and end are in both, so what differs is the work."""
    first = setup.tars()[0]
    bare, on_ray = WayProcess(OURS, setup), RayProcess(setup)
    try:
        beside, runs = [bare.round(first)], []
        for source in (first, setup.source):
            runs.append(on_ray.run(source))
            say(f"{runs[-1].images} images on Ray: {runs[-1].seconds:.1f} s, start and end included")
            beside.append(bare.round(first))
    finally:
        on_ray.close()
        bare.close()
    short, long = runs
    images, seconds, bare_rate = long.images - short.images, long.seconds - short.seconds, _rate(beside)
    return RayResult(
        images_per_second=round(images / seconds, 3) if seconds > 0 else None,
        bare_images_per_second=round(bare_rate, 3),
        of_bare=round(images / seconds / bare_rate, 3) if seconds > 0 else None,
        memory_mb=long.memory_mb,
    )


def _rate(rounds: list[Round]) -> float:
    return sum(done.images for done in rounds) / sum(done.seconds for done in rounds)
