"""The first look at a file of questions: how many there are, and under which rule their images are known."""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from json import JSONEncoder
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from pipeline.join.image_names import NAME_RULES, NameRule, best_rule, image_name, said_name
from pipeline.questions.read import read_questions
from pipeline.questions.repeated_ids import RepeatedIds
from pipeline.storage.errors import UserError
from pipeline.storage.folder import writing
from pipeline.storage.redact import shown

_BATCH = 1 << 16  # questions at once
_SHOWN = 3


class Question(NamedTuple):
    """`place` is its number in the file, from 1, which is also its id where the file gives none."""

    place: int
    question_id: str
    image: str
    question: str


class Survey(NamedTuple):
    """`fingerprint` is of all questions in order."""

    questions: int
    fingerprint: str
    rule: NameRule


class Reading:
    """One reading of a file, whose fingerprint is known at its end."""

    def __init__(self, url: str, note: Callable[[int], object] = lambda read: None) -> None:
        self.questions = 0
        self._url, self._note = url, note
        self._digest = sha256()

    def batches(self) -> Iterator[list[Question]]:
        """The questions, many at a time; `note` is told how many were read so far. Raises UserError."""
        encode = JSONEncoder().encode
        asked = enumerate(read_questions(self._url), 1)
        while batch := [
            Question(place, question_id or str(place), image, question)
            for place, (question_id, image, question) in islice(asked, _BATCH)
        ]:
            self._digest.update("".join(encode(question[1:]) for question in batch).encode())
            self.questions += len(batch)
            self._note(self.questions)
            yield batch

    @property
    def fingerprint(self) -> str:
        return self._digest.hexdigest()


def survey(
    url: str,
    rows: Sequence[tuple[str, str | None]],
    rule: NameRule | None,
    note: Callable[[int], object],
) -> Survey:
    """Read all questions once, and change nothing. `rows` (image id, metadata) are some of the archive's, by
    which the rule is chosen if none is given; `note` is told how many questions were read so far.

    Raises UserError where there is no question, two have one id, or no rule finds an image of `rows`.
    """
    with TemporaryDirectory(prefix="maccap-questions-") as temporary, writing(temporary):
        reading, ids = Reading(url, note), RepeatedIds(Path(temporary))
        known = _KnownNames(rows if rule is None else ())
        for batch in reading.batches():
            ids.add([question.question_id for question in batch])
            known.look_for([question.image for question in batch])
        if not reading.questions:
            raise UserError(f"Questions {shown(url)} hold no question.")
        ids.check(url, (q.question_id for batch in Reading(url).batches() for q in batch))
    return Survey(reading.questions, reading.fingerprint, rule or known.rule(url))


class _KnownNames:
    """Which names of the sample rows, under each rule, a file of questions has."""

    def __init__(self, rows: Sequence[tuple[str, str | None]]) -> None:
        self._rows = rows
        self._wanted = {rule: {image_name(rule, *row) for row in rows} - {None} for rule in NAME_RULES}
        self._found: dict[NameRule, set[str]] = {rule: set() for rule in NAME_RULES}
        self._examples: dict[str, None] = {}

    def look_for(self, images: Sequence[str]) -> None:
        names = dict.fromkeys(images)
        for image in islice(names, _SHOWN - len(self._examples)):
            self._examples.setdefault(image)
        for rule, wanted in self._wanted.items():
            if wanted:
                self._found[rule].update(
                    n for image in names if (n := said_name(rule, image)) in wanted and n
                )

    def rule(self, url: str) -> NameRule:
        """The best. Raises UserError where none finds an image."""
        rule = best_rule(self._rows, {rule: found.__contains__ for rule, found in self._found.items()})
        if rule is None:
            theirs = ", ".join(self._examples)
            ours = ", ".join(image_id for image_id, _ in self._rows[:_SHOWN]) or "none"
            raise UserError(
                f"Questions {shown(url)} are about none of {len(self._rows):,} images of the archive, whose "
                f"names were compared by every rule. The file says {theirs}; the archive has {ours}. Give "
                "the file that belongs to this archive; if it asks about other images of it, say with "
                f"--join-on how their names correspond ({', '.join(NAME_RULES)})."
            )
        return rule
