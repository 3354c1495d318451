"""The questions of a run that come from a file: a copy in the run's folder, sorted by image, and at the end
what of it no image was asked.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow.parquet as pq

from maccap.config import Config
from pipeline.chunk import parse_file_name
from pipeline.join.image_names import image_name
from pipeline.questions.store import QuestionStore, build_store, open_store
from pipeline.questions.unasked import find_unasked
from pipeline.run.config import CaptionJobConfig
from pipeline.run.facts import RunFacts
from pipeline.run.run_folder import RunFolder
from pipeline.sources import Shard, read_shard
from pipeline.storage.errors import UserError
from pipeline.storage.folder import reading
from pipeline.storage.redact import redacted
from pipeline.storage.urls import absolute

_TOLD_EVERY = 1_000_000
_SHARDS, _ROWS = 15, 200  # that tell by which name the file knows the archive's images


class UnaskedQuestions(Config):
    """Questions whose image is not in the archive: how many, about how many images, and the first ids."""

    questions: int
    images: int
    first: tuple[str, ...]


def prepare_questions(
    folder: RunFolder,
    config: CaptionJobConfig,
    recorded: RunFacts | None,
    shards: Sequence[Shard],
    say: Callable[[str], object] = lambda line: None,
) -> QuestionStore | None:
    """The store of the config's file of questions, made where it is not there; None for a run without one.
    `say` is told now and then how far that is.

    Raises UserError where the file cannot be used, or is not the one that the run was begun with.
    """
    if config.questions_file is None or "ask" not in config.tasks:
        return None
    file = absolute(config.questions_file)
    store = open_store(folder.questions)
    if store is not None and not store.is_of(file):
        if recorded is not None:
            raise UserError(
                f"questions {redacted(file)} are not those that the run in OUTPUT {folder.top.url} was begun "
                "with. Give those to resume it, or choose another OUTPUT."
            )
        store = None
    if store is None or (recorded is None and config.join_on not in (None, store.facts.rule)):
        rule = recorded.join_on if recorded else config.join_on
        told = _EveryMillion(say)
        build_store(file, folder.questions, _some_rows(shards, config.max_bytes), rule, told)
        store = open_store(folder.questions)
    return store


def unasked_questions(folder: RunFolder, store: QuestionStore) -> UnaskedQuestions:
    """Of a run whose rows are all there. Raises UserError where one question was put to two images."""
    found = find_unasked(store, _names(folder, store))
    if found.twice:
        raise UserError(
            f"several images have the {store.facts.rule} {', '.join(found.twice)}, and were all asked the "
            "questions of that name. Choose another name to join on (--join-on) and another OUTPUT."
        )
    return UnaskedQuestions(questions=found.questions, images=found.images, first=found.first)


class _EveryMillion:
    def __init__(self, say: Callable[[str], object]) -> None:
        self._say, self._told = say, 0

    def __call__(self, questions: int) -> None:
        if questions // _TOLD_EVERY > self._told or questions < self._told:  # it is read twice
            self._told = questions // _TOLD_EVERY
            self._say(f"{questions:,} questions read")


def _some_rows(shards: Sequence[Shard], max_bytes: int) -> list[tuple[str, str | None]]:
    """Image ids and metadata of a few rows, of shards from all over the archive."""
    chosen = {shards[place * (len(shards) - 1) // _SHARDS].id: place for place in range(_SHARDS + 1)}
    rows: list[tuple[str, str | None]] = []
    for shard in shards:
        if shard.id in chosen:
            try:
                rows += [
                    (sample.image_id, sample.metadata)
                    for sample in islice(read_shard(shard, max_bytes), _ROWS)
                ]
            except (OSError, ValueError, EOFError):  # a row of its own will say so
                continue
    return rows


def _names(folder: RunFolder, store: QuestionStore) -> Iterator[list[str | None]]:
    rule = store.facts.rule
    columns = ["image_id", *(["metadata"] if rule == "metadata" else [])]
    with reading(folder.captions.url):
        for name in folder.captions.names():
            if parse_file_name(name):
                with folder.captions.open(name) as file:
                    table: Any = pq.read_table(file, columns=columns)
                rows = zip(*(table[column].to_pylist() for column in columns), strict=True)
                yield [image_name(rule, *row) for row in rows]
