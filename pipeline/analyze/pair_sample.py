"""A random sample of fixed size of a stream that comes in parts: those of the smallest keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

import numpy as np
from numpy.typing import NDArray

KEPT = 1024


@dataclass(frozen=True)
class PairSample:
    """The vectors [at most KEPT, D] whose keys are the smallest. Keys are hashes, so that every pair has the
    same chance, and the sample is the same whatever the parts and their order. `a + b` is that of both sets.
    """

    keys: NDArray[np.uint64]
    values: NDArray[np.float32]

    @classmethod
    def of(cls, keys: NDArray[np.uint64], values: NDArray[np.float32]) -> Self:
        smallest = np.argsort(keys, kind="stable")[:KEPT]
        return cls(keys[smallest], values[smallest])

    def __add__(self, other: "PairSample") -> "PairSample":
        keys = np.concatenate([self.keys, other.keys])
        return PairSample.of(keys, np.concatenate([self.values, other.values]))


def pair_keys(seed: int, image_ids: Sequence[str]) -> NDArray[np.uint64]:
    """A key for each pair, of the ids of their images and how often each came before."""
    numbers: dict[str, int] = {}
    keys = []
    for image_id in image_ids:
        numbers[image_id] = number = numbers.get(image_id, -1) + 1
        identity = f"{seed}\0{image_id}\0{number}".encode("utf-8", "surrogatepass")
        keys.append(int.from_bytes(blake2b(identity, digest_size=8).digest(), "little"))
    return np.array(keys, np.uint64)
