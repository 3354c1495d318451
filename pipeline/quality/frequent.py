"""Examples of what comes often, without holding one of everything."""

from collections import Counter
from collections.abc import Iterable

_LONGEST = 300  # characters


class FrequentExamples:
    """A text for each hash that is frequent so far, for at most twice `capacity` of them (Misra and Gries
    1982: what is more than one in `capacity` of all that was added is never lost).
    """

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._counts = Counter[int]()
        self._examples: dict[int, str] = {}

    def add(self, pairs: Iterable[tuple[int, str]]) -> None:
        """Hashes, each with its text; the first of a hash is its example."""
        for hash_, text in pairs:
            self._counts[hash_] += 1
            if hash_ not in self._examples:
                self._examples[hash_] = text[:_LONGEST]
        if len(self._counts) > 2 * self._capacity:
            self._prune()

    def get(self, hash_: int) -> str | None:
        return self._examples.get(hash_)

    def _prune(self) -> None:
        (_, least), *_ = self._counts.most_common(self._capacity + 1)[-1:]
        self._counts = Counter({key: count - least for key, count in self._counts.items() if count > least})
        self._examples = {key: self._examples[key] for key in self._counts}
