"""What the pairs of a chunk add up to, and what chunks do: small, whatever the number of images."""

import io
import json
from collections import Counter
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.analyze.captions import NO_CAPTION, captions_of, field_names
from pipeline.analyze.closeness import Closeness
from pipeline.analyze.compare import WEIGHTINGS
from pipeline.analyze.moments import Moments
from pipeline.analyze.pair_columns import read_vectors
from pipeline.analyze.pair_sample import PairSample, pair_keys
from pipeline.storage.redact import printable

_SHOWN = 20
_KINDS: dict[str, type] = {"gap": Moments, "other_gap": Moments, "sample": PairSample}


@dataclass(frozen=True)
class Statistics:
    """Of image and caption pairs, and of images with the caption of another. `a + b` are those of both sets,
    in any order but for the rounding of sums.
    """

    counts: Counter[str]  # rows, images, errors, uncaptioned, pairs, other_pairs
    dropped: Counter[str]  # captions, by reason
    errors: tuple[str, ...]  # a few, with the image's id
    field_names: tuple[str, ...]  # of samples without a caption, a few
    closeness: dict[str, Closeness]  # by weighting
    other_closeness: dict[str, Closeness]
    gap: Moments  # of image less text
    other_gap: Moments
    sample: PairSample  # of the same differences

    @classmethod
    def of(cls, samples: pa.Table, captions: tuple[str, ...], seed: int) -> Self:
        """Of the samples of one chunk, compared. `captions` are the fields that they were looked for in."""
        ids, errors = samples["image_id"].to_pylist(), samples["error"].to_pylist()
        metadata = samples["metadata"].to_pylist()
        uncaptioned = [row for row, error in enumerate(errors) if error == NO_CAPTION]
        wrong = [
            f"{ids[row]}: {error}" for row, error in enumerate(errors) if error not in (None, NO_CAPTION)
        ]
        counts, cosines = read_vectors(samples["cosines"])
        _, differences = read_vectors(samples["differences"])
        _, other_cosines = read_vectors(samples["other_cosines"])
        _, other_differences = read_vectors(samples["other_differences"])
        of_pairs = [ids[row] for row in np.repeat(np.arange(len(ids)), counts)]
        return cls(
            Counter(
                rows=len(ids),
                images=int(np.sum(counts > 0)),
                errors=len(wrong),
                uncaptioned=len(uncaptioned),
                pairs=len(differences),
                other_pairs=len(other_differences),
            ),
            sum((captions_of(text, captions).dropped for text in metadata), Counter()),
            tuple(sorted(map(printable, wrong))[:_SHOWN]),
            tuple(field_names(metadata[row] for row in uncaptioned)),
            _by_weighting(cosines),
            _by_weighting(other_cosines),
            Moments.of(differences),
            Moments.of(other_differences),
            PairSample.of(pair_keys(seed, of_pairs), differences),
        )

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(
            Counter({name: count + other.counts[name] for name, count in self.counts.items()}),
            self.dropped + other.dropped,
            _first(self.errors, other.errors),
            _first(self.field_names, other.field_names),
            {name: part + other.closeness[name] for name, part in self.closeness.items()},
            {name: part + other.other_closeness[name] for name, part in self.other_closeness.items()},
            self.gap + other.gap,
            self.other_gap + other.other_gap,
            self.sample + other.sample,
        )

    def to_bytes(self) -> bytes:
        """As an .npz, which `from_bytes` reads."""
        told = {"counts": self.counts, "dropped": self.dropped}
        words = {**told, "errors": self.errors, "field_names": self.field_names}
        arrays = {
            f"{name}.{f.name}": getattr(part, f.name) for name, part in self._parts() for f in fields(part)
        }
        buffer = io.BytesIO()
        np.savez(buffer, words=np.frombuffer(json.dumps(words).encode(), np.uint8), **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            words = json.loads(arrays["words"].tobytes())

            def part(kind: type, name: str) -> Any:
                return kind(*(arrays[f"{name}.{f.name}"][()] for f in fields(kind)))

            return cls(
                Counter(words["counts"]),
                Counter(words["dropped"]),
                tuple(words["errors"]),
                tuple(words["field_names"]),
                {name: part(Closeness, f"own.{name}") for name in WEIGHTINGS},
                {name: part(Closeness, f"other.{name}") for name in WEIGHTINGS},
                *(part(kind, name) for name, kind in _KINDS.items()),
            )

    def _parts(self) -> list[tuple[str, Any]]:
        return [
            *((f"own.{name}", part) for name, part in self.closeness.items()),
            *((f"other.{name}", part) for name, part in self.other_closeness.items()),
            *((name, getattr(self, name)) for name in _KINDS),
        ]


def _by_weighting(cosines: NDArray[np.float32]) -> dict[str, Closeness]:
    weightings = len(WEIGHTINGS)
    parts = cosines.reshape(len(cosines), weightings, cosines.shape[1] // weightings)
    return {name: Closeness.of(parts[:, number]) for number, name in enumerate(WEIGHTINGS)}


def _first(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*a, *b})[:_SHOWN])
