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
from pipeline.questions.survey import Survey, survey
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
    """Questions whose image is not in the archive: how many, about how many images, the first ids and
    the names of their images.
    """

    questions: int
    images: int
    first: tuple[str, ...]
    first_images: tuple[str, ...] = ()


def survey_questions(
    folder: RunFolder,
    config: CaptionJobConfig,
    recorded: RunFacts | None,
    shards: Sequence[Shard],
    say: Callable[[str], object] = lambda line: None,
) -> Survey | None:
    """What the config's file of questions holds and how it is joined; None for a run without one. Nothing is
    written; `say` is told now and then how far it is read.

    Raises UserError where the file cannot be used, or is not the one that the run was begun with.
    """
    if config.questions_file is None or "ask" not in config.tasks:
        return None
    file, rule = absolute(config.questions_file), config.join_on
    store = open_store(folder.questions) if recorded else None
    if store is not None and store.is_of(file):
        return Survey(store.facts.questions, store.facts.fingerprint, rule or store.facts.rule)
    if recorded is not None:
        found = survey(file, (), rule or recorded.join_on or "image_id", _EveryMillion(say))
        if found.fingerprint != recorded.questions_fingerprint:
            raise UserError(
                f"questions {redacted(file)} are not those that the run in OUTPUT {folder.top.url} was begun "
                "with. Give those to resume it, or choose another OUTPUT."
            )
        return found
    return survey(file, _some_rows(shards, config.max_bytes), rule, _EveryMillion(say))


def prepare_store(
    folder: RunFolder,
    config: CaptionJobConfig,
    found: Survey | None,
    say: Callable[[str], object] = lambda line: None,
) -> QuestionStore | None:
    """The store of the questions that were `found`, made where it is not there. Raises as `build_store`."""
    if found is None or config.questions_file is None:
        return None
    store = open_store(folder.questions)
    if store is None or (store.facts.fingerprint, store.facts.rule) != (found.fingerprint, found.rule):
        file = absolute(config.questions_file)
        store = build_store(file, folder.questions, found, _EveryMillion(say))
    say(f"{store.facts.questions:,} questions about {store.facts.images:,} images, joined on {found.rule}")
    return store


def unasked_questions(folder: RunFolder, store: QuestionStore) -> UnaskedQuestions:
    """Of a run whose rows are all there. Raises UserError where one question was put to two images, or none
    to any.
    """
    found = find_unasked(store, _names(folder, store))
    choose = "Choose another name to join on (--join-on) and another OUTPUT."
    if found.twice:
        raise UserError(
            f"several images have the {store.facts.rule} {', '.join(found.twice)}, and were all asked the "
            f"questions of that name. {choose}"
        )
    if found.questions == store.facts.questions:
        raise UserError(f"no question is about an image of SOURCE by its {store.facts.rule}. {choose}")
    return UnaskedQuestions(**{name: getattr(found, name) for name in UnaskedQuestions.model_fields})


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
                for sample in islice(read_shard(shard, max_bytes), _ROWS):
                    apart = sample.read_metadata
                    rows.append((sample.image_id, apart() if apart else sample.metadata))
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
                    table: Any = pq.ParquetFile(file).read(columns=columns)
                rows = zip(*(table[column].to_pylist() for column in columns), strict=True)
                yield [image_name(rule, *row) for row in rows]
