"""One pass over a run's table: what is counted of all rows, and which of them the page shows.

A file is in memory at a time, and of a row nothing but hashes of its caption and image.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.chunk import parse_file_name
from pipeline.quality.duplicates import Copies, DuplicateTotals
from pipeline.quality.flags import flags_of
from pipeline.quality.images import ImageCopies
from pipeline.report.answer_counts import AnswerCounts
from pipeline.report.error_kinds import ErrorKinds
from pipeline.report.histogram import Histogram
from pipeline.report.lowest_keys import LowestKeys, random_keys
from pipeline.report.word_counts import WordCounts, as_floats, words_per_caption
from pipeline.storage.errors import UserError
from pipeline.storage.folder import Folder, reading
from pipeline.storage.redact import describe

_AT_ONCE = 8  # files read side by side: on an object store each is a request
EXTREMES = 12  # rows at either end of a score
ERRORS_SHOWN = 24

_COLUMNS = (
    *("image_id", "caption", "clip_score", "candidates", "error", "flags", "answers"),
    *("original_caption", "original_clip_score", "sha256", "phash"),
)


@dataclass
class Numbers:
    """Counts and distributions of the rows that were read, and the places of those that are shown."""

    images: int
    seed: int = 0
    files: list[str] = field(default_factory=list)
    rows_per_file: list[int] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    columns: set[str] = field(default_factory=set)
    rows: int = 0
    captioned: int = 0
    errors: int = 0
    words: Histogram = field(default_factory=lambda: Histogram(0, 500, 1))
    scores: Histogram = field(default_factory=lambda: Histogram(-1, 1, 0.001))
    logprobs: Histogram = field(default_factory=lambda: Histogram(-25, 0, 0.001))
    original_scores: Histogram = field(default_factory=lambda: Histogram(-1, 1, 0.001))
    own_captions: int = 0
    vocabulary: WordCounts = field(default_factory=WordCounts)
    flags: Counter[str] = field(default_factory=Counter)
    flagged: int = 0
    copies: Copies = field(default_factory=Copies)
    image_copies: ImageCopies = field(default_factory=ImageCopies)
    error_kinds: ErrorKinds = field(default_factory=ErrorKinds)
    answers: AnswerCounts = field(default_factory=AnswerCounts)

    def __post_init__(self) -> None:
        self.sample, self.some_errors = LowestKeys(self.images), LowestKeys(min(ERRORS_SHOWN, self.images))
        most = min(EXTREMES, self.images)
        self.extremes = {
            name: LowestKeys(most)
            for name in ("lowest score", "highest score", "least likely", "most likely")
        }

    @cached_property
    def duplicates(self) -> DuplicateTotals:
        """Once all rows were added."""
        return self.copies.totals()

    def add(self, name: str, table: pa.Table) -> None:
        """The rows of a file of the caption table; of an older version's, which may lack columns."""
        number = len(self.files)
        self.files.append(name)
        self.rows_per_file.append(table.num_rows)
        self.rows += table.num_rows
        self.columns.update(table.column_names)
        keys = random_keys(self.seed, name, table.num_rows)
        self.sample.add(keys, number)
        errors = _column(table, "error", pa.string())
        is_error = errors.is_valid()
        self.errors += pc.sum(is_error).as_py() or 0
        self.some_errors.add(np.where(is_error.to_numpy(zero_copy_only=False), keys, np.nan), number)
        failed = table["image_id"].filter(is_error).to_pylist()
        self.error_kinds.add(zip(failed, errors.drop_null().to_pylist(), strict=True))
        if "caption" in table.column_names:
            self._add_captions(table, number)
        if "phash" in table.column_names:
            columns = (table[name].to_pylist() for name in ("sha256", "phash", "image_id"))
            self.image_copies.add(*columns)
        if "answers" in table.column_names:
            pairs = pc.list_flatten(_column(table, "answers")).to_pylist()
            self.answers.add((pair["question"], pair["answer"]) for pair in pairs)

    def _add_captions(self, table: pa.Table, number: int) -> None:
        captions = _column(table, "caption", pa.string())
        texts = captions.drop_null()
        self.captioned += len(texts)
        words = words_per_caption(captions)
        self.words.add(words)
        self.vocabulary.add(texts)
        self.copies.add(texts.to_pylist())
        for flags in caption_flags(table):
            self.flags.update(flags)
            self.flagged += bool(flags)
        scores = as_floats(_column(table, "clip_score", pa.float32()))
        self.scores.add(scores)
        logprobs = logprob_per_word(table, words)
        self.logprobs.add(logprobs)
        for name, key in zip(self.extremes, (scores, -scores, logprobs, -logprobs), strict=True):
            self.extremes[name].add(key, number)
        if "original_caption" in table.column_names:
            self.own_captions += len(table) - table["original_caption"].null_count
            self.original_scores.add(as_floats(_column(table, "original_clip_score", pa.float32())))


def read_numbers(
    captions: Folder, images: int, seed: int = 0, tell: Callable[[Numbers], object] = lambda numbers: None
) -> Numbers:
    """Of the files in `captions` now, with `images` rows to show at random; `tell` hears of each file.

    A file that cannot be read is passed over and named in `unreadable`. Raises UserError where there is
    none at all, RunError where the storage does not answer.
    """
    with reading(captions.url):
        names = [name for name in captions.names() if parse_file_name(name)]
    numbers = Numbers(images, seed)
    for name, table in _tables(captions, names):
        if isinstance(table, str):
            numbers.unreadable.append(f"{name}: {table}")
        else:
            numbers.add(name, table)
        tell(numbers)
    if not numbers.files:
        raise UserError(
            f"{captions.url} holds no captions that can be read. Give the OUTPUT of `maccap caption`."
        )
    return numbers


def caption_flags(table: pa.Table) -> Iterator[list[str]]:
    """What is wrong with each caption: as the run recorded it, or told now by the text. Of a row without
    a caption, nothing.
    """
    captions = table["caption"].to_pylist()
    recorded = table["flags"].to_pylist() if "flags" in table.column_names else [None] * len(captions)
    for caption, flags in zip(captions, recorded, strict=True):
        yield flags if flags is not None else flags_of(caption) if caption is not None else []


def logprob_per_word(table: pa.Table, words: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each row, the log-probability of the candidate that became its caption (of several with that text,
    of the first), over the caption's words; NaN where it has none.
    """
    found = np.full(table.num_rows, np.nan)
    if "candidates" not in table.column_names:
        return found
    candidates = _column(table, "candidates")
    parents, flat = pc.list_parent_indices(candidates), pc.list_flatten(candidates)
    texts, logprobs = pc.struct_field(flat, "text"), as_floats(pc.struct_field(flat, "logprob"))
    is_caption = pc.equal(texts, _column(table, "caption", pa.string()).take(parents)).fill_null(False)
    chosen = np.flatnonzero(is_caption.to_numpy(zero_copy_only=False))[::-1]  # the first of equals stays
    rows = parents.to_numpy(zero_copy_only=False)[chosen]
    found[rows] = logprobs[chosen]
    return found / np.where(words > 0, words, np.nan)


def _column(table: pa.Table, name: str, kind: pa.DataType | None = None) -> Any:
    """A column in one piece; nulls of `kind` where the table lacks it."""
    if name not in table.column_names:
        return pa.nulls(table.num_rows, kind)
    column = table[name].combine_chunks()
    column = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
    return column if kind is None else column.cast(kind)


def _tables(folder: Folder, names: list[str]) -> Iterator[tuple[str, pa.Table | str]]:
    """Each file's columns that are counted, or why it cannot be read."""

    def read(name: str) -> pa.Table | str:
        try:
            with folder.open(name) as opened:
                file = pq.ParquetFile(opened)
                present = [column for column in _COLUMNS if column in file.schema_arrow.names]
                if "image_id" not in present:
                    return "it has no column image_id"
                return file.read(columns=present)
        except (OSError, ValueError, pa.ArrowException) as error:
            return describe(error)

    rest = iter(names)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while some := list(islice(rest, 4 * _AT_ONCE)):
            yield from zip(some, pool.map(read, some), strict=True)
