"""No two questions may have one id: found in bounded memory, whatever the number of questions."""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.questions.partitions import Partitions, hash_of
from pipeline.storage.errors import UserError
from pipeline.storage.redact import shown

_PARTITIONS = 64  # of 100 million ids, 12 MB each
_CANDIDATES = 1000  # more than ever share a hash by chance


class RepeatedIds:
    """Add every id in order, then `check`. `temporary` is a local folder, which keeps 8 bytes per id."""

    def __init__(self, temporary: Path) -> None:
        self._partitions = Partitions(temporary / "ids", _PARTITIONS)

    def add(self, ids: Sequence[str]) -> None:
        self._partitions.add(pa.table({"hash": pa.array(map(hash_of, ids), pa.uint64())}))

    def check(self, url: str, ids: Iterable[str]) -> None:
        """`ids` are the same again, which are read only where two have one hash. Raises UserError that names
        an id that two questions of the file `url` have.
        """
        candidates = self._candidates()
        first: dict[str, int] = {}
        for place, question_id in enumerate(ids if candidates else (), 1):
            if hash_of(question_id) not in candidates:
                continue
            if question_id in first:
                raise UserError(
                    f"Questions {shown(url)}: question {first[question_id]:,} and question {place:,} both "
                    f"have the id {question_id}. Give each its own, or leave the ids out: then it is the "
                    "question's number."
                )
            first[question_id] = place

    def _candidates(self) -> set[int]:
        found: set[int] = set()
        for partition in range(self._partitions.count):
            pieces = [piece["hash"].to_numpy() for piece in self._partitions.tables(partition)]
            if pieces and len(found) < _CANDIDATES:
                hashes, counts = np.unique(np.concatenate(pieces), return_counts=True)
                found.update(islice(hashes[counts > 1].tolist(), _CANDIDATES - len(found)))
            self._partitions.remove(partition)
        return found
