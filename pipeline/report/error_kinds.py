"""Errors of a run by kind: what stands before the details."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from pipeline.stages.error_kind import OTHERS, kind_of

_MOST = 200  # kinds told apart
_EXAMPLES = 3


class ErrorKinds:
    """How many errors of each kind, and a few of them: (image id, error)."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)

    def add(self, errors: Iterable[tuple[str, str]]) -> None:
        """Pairs of an image id and its error."""
        for image_id, error in errors:
            kind = kind_of(error)
            if kind not in self.counts and len(self.counts) >= _MOST:
                kind = OTHERS
            self.counts[kind] += 1
            if len(self.examples[kind]) < _EXAMPLES:
                self.examples[kind].append((image_id, error))
