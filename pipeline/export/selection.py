"""Which rows of a run go into an export, and into which of its splits: a byte per row, decided once."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.chunk import CHUNK_KEY
from pipeline.export.condition import Condition
from pipeline.export.derived import DERIVED, OF_ALL_ROWS, READS, Derived
from pipeline.export.exported_caption import exported_captions
from pipeline.export.options import ExportOptions
from pipeline.export.run_table import RunTable
from pipeline.sources.unique import digest

LEFT_OUT = -1
ERRORS, NO_TEXT, NOT_WHERE = "with an error", "without a caption or answer", "not as --where says"
"""Why rows are left out."""

Splits = NDArray[np.int8]


@dataclass
class SelectedRows:
    """Of each file, by its name, the number of each row's split, or LEFT_OUT. `splits` are their
    names, None for a single one; `digest` tells one selection of one table from another.
    """

    splits: list[str | None]
    rows_of: dict[str, Splits] = field(default_factory=dict)
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    digest: str = ""

    def count(self, split: int) -> int:
        return sum(int(np.count_nonzero(rows == split)) for rows in self.rows_of.values())

    @property
    def chosen(self) -> int:
        return sum(self.count(split) for split in range(len(self.splits)))


def select(
    table: RunTable,
    options: ExportOptions,
    note: Callable[[int], object] = lambda rows: None,
) -> SelectedRows:
    """Rows with a caption, or an answer, of which `--where` is true. `note` is told how many rows
    were looked at. Raises UserError for a condition that is wrong.
    """
    condition, wanted = _condition(table, options.where)
    derived = Derived(wanted, _read_once(table, wanted, note))
    columns = {"image_id", "error", "caption", "original_caption", "answers"}
    columns |= (condition.columns - wanted if condition else set()) | _read_for(wanted)
    selection = SelectedRows(list(options.split) or [None])
    bounds = np.cumsum(list(options.split.values()))[:-1]  # between one split and the next
    seen = hashlib.sha256()
    for name in table.names:
        rows = table.files.read(name, columns)
        failed = rows["error"].is_valid().to_numpy(zero_copy_only=False)
        usable = _has_text(rows) & ~failed
        true = np.ones(len(rows), np.bool_)
        if condition is not None:
            for column, values in derived.columns(rows).items():
                rows = rows.append_column(column, values)
            true = condition.holds(rows.select([c for c in rows.column_names if c in condition.columns]))
        split = np.searchsorted(bounds, _places(rows["image_id"]), "right").astype(np.int8)
        split[~(usable & true)] = LEFT_OUT
        selection.rows_of[name] = split
        selection.rows += len(split)
        selection.left_out[ERRORS] += int(failed.sum())
        selection.left_out[NO_TEXT] += int((~failed & ~usable).sum())
        selection.left_out[NOT_WHERE] += int((usable & ~true).sum())
        seen.update(json.dumps([name, len(split)]).encode())
        seen.update((rows.schema.metadata or {}).get(CHUNK_KEY, b"") + split.tobytes())
        note(selection.rows)
    selection.digest = seen.hexdigest()
    return selection


def split_place(image_id: str) -> float:
    """A number from 0 to 1, by a hash of the image's id: the same in every run and export."""
    return int.from_bytes(digest(image_id), "big") / 2**64


def _places(image_ids: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.array([split_place(image_id) for image_id in image_ids.to_pylist()], np.float64)


def _condition(table: RunTable, where: str | None) -> tuple[Condition | None, frozenset[str]]:
    """The condition, and which of the derived columns it uses."""
    if where is None:
        return None, frozenset()
    own = [one for one in table.files.schema if one.name not in DERIVED.names]  # older runs have no flags
    derived = [one for one in DERIVED if READS[one.name] & table.columns]
    condition = Condition(where, pa.schema([*own, *derived]))
    return condition, condition.columns & set(DERIVED.names)


def _read_for(derived: frozenset[str]) -> frozenset[str]:
    return frozenset().union(*(READS[name] for name in derived))


def _read_once(table: RunTable, wanted: frozenset[str], note: Callable[[int], object]) -> Iterator[pa.Table]:
    """The columns that those of all rows are told by."""
    columns = _read_for(wanted & OF_ALL_ROWS)
    rows = 0
    for name in table.names if columns else ():
        read = table.files.read(name, columns | {"error"})
        rows += len(read)
        note(rows)
        yield read


def _has_text(rows: pa.Table) -> NDArray[np.bool_]:
    """Where there is a caption or an answer."""
    found = np.array([bool(text and text.strip()) for text in exported_captions(rows)], np.bool_)
    if "answers" in rows.column_names:
        found |= np.array([bool(answers) for answers in rows["answers"].to_pylist()], np.bool_)
    return found
