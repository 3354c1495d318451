"""Which questions of a store are about no image of the archive, and which about two."""

from collections.abc import Iterable, Iterator, Sequence
from heapq import nsmallest
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.questions.partitions import Partitions, hash_of
from pipeline.questions.store import QuestionStore
from pipeline.storage.folder import writing

_BATCH = 1 << 16  # names at once
_FIRST = 100
_TWICE = 10


class Unasked(NamedTuple):
    """How many `questions`, about how many `images`, have no row; the ids of the `first` of them in the file,
    and the names of their images. `twice`: some of the names with questions that two rows have.
    """

    questions: int
    images: int
    first: tuple[str, ...]
    first_images: tuple[str, ...]
    twice: tuple[str, ...]


def find_unasked(store: QuestionStore, names: Iterable[Sequence[str | None]]) -> Unasked:
    """`names` are those of all rows of the archive under the store's rule, None for rows without one.

    They are compared by their 64-bit hashes: among 100 million, the odds that any two meet are 1 in 3,700.
    Memory is that of one partition of the store; the disk holds 8 bytes per row. Raises RunError.
    """
    questions = images = 0
    first: list[tuple[int, str, str]] = []
    twice: list[str] = []
    with TemporaryDirectory(prefix="maccap-names-") as temporary, writing(temporary):
        rows = Partitions(Path(temporary) / "rows", store.facts.partitions)
        hashes = (hash_of(name) for name in chain.from_iterable(names) if name is not None)
        while batch := list(islice(hashes, _BATCH)):
            rows.add(pa.table({"hash": pa.array(batch, pa.uint64())}))
        for partition in range(store.facts.partitions):
            found = _unasked_of(store, partition, rows)
            questions, images = questions + found.questions, images + found.images
            first = nsmallest(_FIRST, first + found.first)
            twice = (twice + found.twice)[:_TWICE]
            pa.default_memory_pool().release_unused()  # else it keeps more with every partition
    ids = tuple(question_id for _, question_id, _ in first)
    about = tuple(dict.fromkeys(image for _, _, image in first))
    return Unasked(questions, images, ids, about, tuple(twice))


class _OfPartition(NamedTuple):
    """As `Unasked`, with the place of each of the first."""

    questions: int
    images: int
    first: list[tuple[int, str, str]]
    twice: list[str]


def _unasked_of(store: QuestionStore, partition: int, rows: Partitions) -> _OfPartition:
    with store.reading():
        asked = store.part(partition).table(["hash", "image", "place", "question_id"])
    keys, begins, of_row = np.unique(asked["hash"].to_numpy(), return_index=True, return_inverse=True)
    counts = _counts(keys, (piece["hash"].to_numpy() for piece in rows.tables(partition)))
    missing = np.flatnonzero(counts[of_row] == 0)
    places = asked["place"].to_numpy()[missing]
    earliest = np.argsort(places)[:_FIRST]
    chosen = asked.select(["question_id", "image"]).take(missing[earliest])
    ids, names = (column.to_pylist() for column in chosen.columns)
    return _OfPartition(
        questions=len(missing),
        images=int((counts == 0).sum()),
        first=list(zip(places[earliest].tolist(), ids, names, strict=True)),
        twice=asked["image"].take(begins[counts > 1][:_TWICE]).to_pylist(),
    )


def _counts(keys: NDArray[np.uint64], pieces: Iterator[NDArray[np.uint64]]) -> NDArray[np.int64]:
    """How often each of the sorted `keys` is among the hashes in the pieces."""
    counts = np.zeros(len(keys), np.int64)
    for hashes in pieces if len(keys) else ():
        places = np.minimum(np.searchsorted(keys, hashes), len(keys) - 1)
        counts += np.bincount(places[keys[places] == hashes], minlength=len(keys))
    return counts
