"""Groups of perceptual hashes that differ in a few bits, without comparing all with all."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pipeline.quality.hash_counts import Hashes

MOST_BITS = 3
"""Two hashes are near where they differ in no more bits."""

_BITS = (13, 13, 13, 13, 12)
_NEIGHBOURS = 256

_Places = NDArray[np.int64]


def near_groups(hashes: Hashes, most_bits: int = MOST_BITS) -> tuple[_Places, int]:
    """For each of `hashes`, distinct and sorted, the place of the first of its group; near hashes are in one
    group, and so are hashes with a chain of near ones between them. And how many hashes were crowded.

    Of five blocks of bits, three that differ spare two (Manku, Jain and Das Sarma 2007, section 3): so only
    hashes that are equal in two blocks are compared, 2 in 10 million of random pairs. Where more than 256 are
    equal there, each is compared with the 256 that follow it alone, and those are crowded.
    """
    if most_bits > MOST_BITS:
        raise ValueError(f"near hashes differ in at most {MOST_BITS} bits, not {most_bits}")
    labels = np.arange(len(hashes))
    crowded = 0
    for first, second in combinations(_blocks(), 2):
        keys = hashes & (first | second)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        for ours, theirs in _neighbours(keys):
            pairs = order[ours], order[theirs]
            near = np.bitwise_count(hashes[pairs[0]] ^ hashes[pairs[1]]) <= most_bits
            _join(labels, pairs[0][near], pairs[1][near])
        crowded = max(crowded, _crowded(keys))
    return _root(labels, labels), crowded


def _blocks() -> list[np.uint64]:
    """Masks of the blocks, which together are all 64 bits."""
    starts = np.cumsum((0, *_BITS[:-1])).tolist()
    return [np.uint64(((1 << bits) - 1) << start) for bits, start in zip(_BITS, starts, strict=True)]


def _neighbours(keys: Hashes) -> Iterator[tuple[_Places, _Places]]:
    """Places of equal `keys`, which are sorted: pairs one apart, then two, and so on."""
    places = np.arange(len(keys))
    for apart in range(1, _NEIGHBOURS + 1):
        places = places[: np.searchsorted(places, len(keys) - apart)]
        places = places[keys[places] == keys[places + apart]]
        if not places.size:
            return
        yield places, places + apart


def _crowded(keys: Hashes) -> int:
    apart = _NEIGHBOURS + 1
    return int(np.count_nonzero(keys[apart:] == keys[:-apart]))


def _join(labels: _Places, ours: _Places, theirs: _Places) -> None:
    """Make one group of the groups of each pair: the root with the higher place follows the lower."""
    while ours.size:
        roots = _root(labels, ours), _root(labels, theirs)
        labels[ours], labels[theirs] = roots
        apart = roots[0] != roots[1]
        ours, theirs = roots[0][apart], roots[1][apart]
        np.minimum.at(labels, np.maximum(ours, theirs), np.minimum(ours, theirs))


def _root(labels: _Places, places: _Places) -> _Places:
    roots = labels[places]
    while (labels[roots] != roots).any():
        roots = labels[roots]
    return roots
