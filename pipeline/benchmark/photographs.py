"""What `reduce_jpegs` saves on photographs: the JPEGs of an archive of your own, decoded either way."""

import itertools
import statistics
import time
from collections.abc import Iterator, Sequence

import numpy as np
from rich.table import Table

from maccap.config import Config
from maccap.image.preprocessing import PixelSpec
from pipeline.sources import plan_source, read_shard
from pipeline.stages.decoding.decode_image import DecodedImage, DecodeLimits, UndecodableError, decode_image
from pipeline.storage.errors import UserError

_SIZES = (0.5, 1, 2, 4, 8, 16)  # megapixels, between which photographs are put together
_ROUNDS = 3
_JPEG = b"\xff\xd8\xff"


class Photographs(Config):
    """Those of one range of sizes; medians over the photographs, each the better of some rounds."""

    megapixels: str
    count: int
    full: float  # ms
    reduced: float  # ms
    ratio: float  # of each photograph's times, whole over reduced
    difference: float  # of CLIP's pixels, the mean of 255


class PhotographDecoding(Config):
    """What `maccap benchmark --photographs SOURCE` finds."""

    source: str
    edge: int  # CLIP's pixels
    photographs: list[Photographs]

    def tables(self) -> Iterator[Table]:
        columns = ("photographs", "whole, ms", "reduced, ms", "times as fast", "difference of 255")
        title = f"JPEGs of {self.source} to {self.edge} pixels, one thread"
        table = Table("megapixels", title=title, title_justify="left", title_style="bold")
        for name in columns:
            table.add_column(name, justify="right")
        for p in self.photographs:
            figures = (f"{value:.1f}" for value in (p.full, p.reduced, p.ratio))
            table.add_row(p.megapixels, str(p.count), *figures, f"{p.difference:.1f}")
        yield table


def measure_photographs(source: str, count: int, edge: int) -> PhotographDecoding:
    """Decode the first `count` JPEGs of `source` that can be, whole and reduced by turns. Raises UserError
    where there are none.
    """
    measured: dict[str, list[tuple[float, float, float]]] = {_range_of(size): [] for size in (0, *_SIZES)}
    for data in itertools.islice(_jpegs(source), count):
        name, figures = _measure(data, PixelSpec(edge))
        measured[name].append(figures)
    groups = [_summary(name, figures) for name, figures in measured.items() if figures]
    if not groups:
        raise UserError(f"{source} holds no JPEG that can be decoded")
    return PhotographDecoding(source=source, edge=edge, photographs=groups)


def _jpegs(source: str) -> Iterator[bytes]:
    spec = PixelSpec(8)
    for shard in plan_source(source).shards:
        for sample in read_shard(shard):
            data = bytes(sample.load()) if sample.load is not None else b""
            if data.startswith(_JPEG):
                try:
                    decode_image(data, spec, DecodeLimits(reduce_jpegs=True))
                except UndecodableError:
                    continue
                yield data


def _measure(data: bytes, spec: PixelSpec) -> tuple[str, tuple[float, float, float]]:
    ways = DecodeLimits(), DecodeLimits(reduce_jpegs=True)
    times: tuple[list[float], list[float]] = ([], [])
    decoded: list[DecodedImage] = []
    for _ in range(_ROUNDS):
        for limits, taken in zip(ways, times, strict=True):
            began = time.process_time()
            decoded.append(decode_image(data, spec, limits))
            taken.append(1000 * (time.process_time() - began))
    whole, reduced = decoded[:2]
    difference = np.abs(whole.pixels.astype(int) - reduced.pixels).mean()
    return _range_of(whole.width * whole.height / 1e6), (min(times[0]), min(times[1]), float(difference))


def _summary(name: str, figures: Sequence[tuple[float, float, float]]) -> Photographs:
    full, reduced, difference = zip(*figures, strict=True)
    return Photographs(
        megapixels=name,
        count=len(figures),
        full=statistics.median(full),
        reduced=statistics.median(reduced),
        ratio=statistics.median(a / b for a, b, _ in figures),
        difference=statistics.median(difference),
    )


def _range_of(megapixels: float) -> str:
    above = [size for size in _SIZES if size <= megapixels]
    below = [size for size in _SIZES if size > megapixels]
    if not above:
        return f"under {below[0]:g}"
    return f"{above[-1]:g} - {below[0]:g}" if below else f"over {above[-1]:g}"
