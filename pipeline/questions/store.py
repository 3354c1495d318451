"""Questions sorted by image, so that those of any image are found in a read or two.

A store is a folder, also behind a URL:

    part-00000.parquet    the questions of the images in the first of equal ranges of a 64-bit hash of the
                          image's name, sorted by hash, name and place in the file; and so on
    store.json            last: what the store was made of

It is made by an external sort: questions are set aside on this machine's disk by range, then each range is
sorted by itself. A lookup reads a row group of 2,048 questions. So memory does not grow with the file.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from maccap.config import Config
from pipeline.join.image_names import NameRule, said_name
from pipeline.questions.part import UNSORTED, OneNameError, Part, part_name, sort_part
from pipeline.questions.partitions import Partitions, hash_of, partition_of
from pipeline.questions.read import state_of
from pipeline.questions.survey import Question, Reading, Survey
from pipeline.storage.errors import RunError, UserError
from pipeline.storage.folder import Folder, reading, writing
from pipeline.storage.redact import describe, printable, shown

_STORE = "store.json"
_PARTITION = 500_000  # questions sorted at once, about: all of one image are in one partition
_OPEN_PARTS = 16
_KEPT_GROUPS = 128  # row groups, of 0.2 MB each

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class StoreFacts(Config):
    """`store.json`: what a store holds, and which state of which questions it was made of."""

    format: Literal["maccap-questions-1"] = "maccap-questions-1"
    questions: int
    images: int
    rule: NameRule
    fingerprint: str
    size: int
    state: str
    partitions: int


class StoredQuestion(NamedTuple):
    question_id: str
    question: str


def build_store(questions: str, folder: str, found: Survey, note: Callable[[int], object]) -> "QuestionStore":
    """Make the store of a file of questions, as a `survey` found it, in `folder`; of the same survey the same
    files, whoever makes them. `note` is told how many questions were read so far. Raises UserError where the
    file is another by now, RunError where the store cannot be written.
    """
    entry = state_of(questions)
    with TemporaryDirectory(prefix="maccap-questions-") as temporary, writing(temporary):
        partitions = Partitions(Path(temporary) / "questions", -(-found.questions // _PARTITION))
        again = Reading(questions, note)
        for batch in again.batches():
            partitions.add(_table(batch, found.rule))
        if again.fingerprint != found.fingerprint or state_of(questions) != entry:
            raise UserError(
                f"Questions {shown(questions)} were changed while they were read. Start the same command "
                "again."
            )
        with writing(folder):
            try:
                images = _write_parts(partitions, Folder(folder))
            except OneNameError as error:
                one, other = error.args
                raise UserError(
                    f"Questions {shown(questions)} are about {one} and {other}, which are one image by the "
                    f"rule `{found.rule}`, under which most of the archive's are known. Choose another with "
                    "--join-on and another OUTPUT, or call an image the same everywhere."
                ) from None
            facts = StoreFacts(
                **found._asdict(),
                images=images,
                size=entry.size,
                state=entry.state,
                partitions=partitions.count,
            )
            Folder(folder).write(_STORE, facts.model_dump_json(indent=2).encode() + b"\n")
    return QuestionStore(folder, facts)


def _table(batch: Sequence[Question], rule: NameRule) -> pa.Table:
    places, ids, said, questions = zip(*batch, strict=True)
    # what is no name under the rule is none of an archive's image either, and kept to be counted
    images = [said_name(rule, image) or image for image in said]
    hashes = [hash_of(image) for image in images]
    return pa.table([hashes, images, places, ids, questions, said], schema=UNSORTED)


def _write_parts(partitions: Partitions, folder: Folder) -> int:
    """How many images there are."""
    folder.make()
    images = 0
    for partition in range(partitions.count):
        images += _write_part(partitions, partition, folder)
        pa.default_memory_pool().release_unused()  # else it keeps more with every part
    return images


def _write_part(partitions: Partitions, partition: int, folder: Folder) -> int:
    data, images = sort_part(list(partitions.tables(partition)))
    folder.write(part_name(partition), data)
    partitions.remove(partition)
    return images


def open_store(folder: str) -> "QuestionStore | None":
    """None where no store was finished. Raises RunError for one that cannot be read."""
    with reading(folder):
        data = Folder(folder).read(_STORE)
    if data is None:
        return None
    try:
        return QuestionStore(folder, StoreFacts.model_validate_json(data))
    except ValidationError as error:
        raise RunError(
            f"{shown(folder)}/{_STORE} is damaged or of another version ({describe(error)}). Remove that "
            "folder, and start the same command again."
        ) from None


class QuestionStore:
    """A finished store. It can be pickled until its first lookup."""

    def __init__(self, url: str, facts: StoreFacts) -> None:
        self.url, self.facts = url, facts
        self._parts: OrderedDict[int, Part] = OrderedDict()
        self._groups: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()

    def of(self, names: Sequence[str | None]) -> list[list[StoredQuestion]]:
        """The questions about each of these images, named under the store's rule, in their file's order.

        Raises RunError where the store cannot be read.
        """
        keys = {name: hash_of(name) for name in names if name is not None}
        with self.reading():
            found = {
                name: self._find(printable(name), keys[name]) for name in sorted(keys, key=keys.__getitem__)
            }
        return [[] if name is None else found[name] for name in names]

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Raises RunError with the fix for what is wrong with the store's files."""
        with reading(self.url):
            try:
                yield
            except (FileNotFoundError, pa.ArrowInvalid) as error:
                raise RunError(
                    f"{shown(self.url)} is damaged ({describe(error)}). Remove that folder, and start the "
                    "same command again."
                ) from None

    def part(self, partition: int) -> Part:
        """Raises OSError. It is open until some others were asked for."""
        return _kept(self._parts, partition, self._open, _OPEN_PARTS)

    def is_of(self, questions: str) -> bool:
        """Whether the store was made of these questions: the file is as it was, or else reads the same."""
        entry = state_of(questions)
        if entry.state and (entry.size, entry.state) == (self.facts.size, self.facts.state):
            return True
        again = Reading(questions)
        for _ in again.batches():
            pass
        return again.fingerprint == self.facts.fingerprint

    def _find(self, name: str, key: int) -> list[StoredQuestion]:
        partition = partition_of(key, self.facts.partitions)
        found: list[StoredQuestion] = []
        for number in self.part(partition).groups_of(key):
            group = _kept(self._groups, (partition, number), self._read, _KEPT_GROUPS)
            hashes = group["hash"].to_numpy()
            first, end = (int(np.searchsorted(hashes, np.uint64(key), side)) for side in ("left", "right"))
            of_hash = group.slice(first, end - first).select(["image", "question_id", "question"])
            columns = (column.to_pylist() for column in of_hash.columns)
            found += [StoredQuestion(i, q) for image, i, q in zip(*columns, strict=True) if image == name]
        return found

    def _open(self, partition: int) -> Part:
        return Part(Folder(self.url).open(part_name(partition)))

    def _read(self, place: tuple[int, int]) -> pa.Table:
        partition, number = place
        return self.part(partition).group(number)


def _kept(kept: "OrderedDict[K, V]", key: K, make: Callable[[K], V], most: int) -> V:
    """What was made for `key`; the one that was not asked for the longest makes room."""
    if key not in kept:
        kept[key] = make(key)
        if len(kept) > most:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return kept[key]
