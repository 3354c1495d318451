"""Which rows go into which file of an export: planned before any is written, so that files can be
written by many tasks, in any order, and again.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.chunk import parse_file_name
from pipeline.export.format import Place
from pipeline.export.selection import SelectedRows


@dataclass(frozen=True)
class FileRows:
    """Some rows of one of the table's files, which has `of` in all; `chosen` are bits in hexadecimal."""

    name: str
    of: int
    chosen: str

    @classmethod
    def pack(cls, name: str, of: int, rows: NDArray[np.intp]) -> Self:
        chosen = np.zeros(of, np.bool_)
        chosen[rows] = True
        return cls(name, of, np.packbits(chosen).tobytes().hex())

    def rows(self) -> NDArray[np.intp]:
        bits = np.frombuffer(bytes.fromhex(self.chosen), np.uint8)
        return np.flatnonzero(np.unpackbits(bits)[: self.of])

    @property
    def stem(self) -> str:
        """Of its shard."""
        key = parse_file_name(self.name)
        return key[0] if key else ""


@dataclass(frozen=True)
class Part:
    """One file to write, or for some formats a folder. `shards` are those that its images are read
    from, by stem, as JSON; of those not there the images are not what the run saw.
    """

    place: Place
    files: tuple[FileRows, ...]
    shards: dict[str, str]

    @property
    def id(self) -> str:
        """Of the file that says that it is written."""
        return f"{self.place.split or 'all'}-{self.place.number:06d}"

    def to_row(self) -> dict[str, str]:
        return {"part": json.dumps(asdict(self))}

    @classmethod
    def from_row(cls, row: dict[str, str]) -> Self:
        fields = json.loads(row["part"])
        files = tuple(FileRows(**one) for one in fields["files"])
        return cls(Place(**fields["place"]), files, fields["shards"])


def plan_parts(
    selection: SelectedRows, per_file: int | None, shards: dict[str, str], names: dict[str, str] | None = None
) -> list[Part]:
    """Files of `per_file` rows each but for the last, of all rows where it is None; or with `names`, by
    stem, one for each shard that has rows. A split without rows is one empty file.
    """
    parts: list[Part] = []
    for number, split in enumerate(selection.splits):
        chosen = _chosen(selection, number)
        if names is not None:
            groups = [(names.get(stem, stem), list(of)) for stem, of in groupby(chosen, lambda one: one.stem)]
        else:
            groups = [(None, files) for files in _cut(chosen, per_file)]
        for place, (shard, files) in enumerate(groups):
            own = {stem: shards[stem] for stem in dict.fromkeys(one.stem for one in files) if stem in shards}
            parts.append(Part(Place(split, place, len(groups), shard), tuple(files), own))
    return parts


def _chosen(selection: SelectedRows, split: int) -> Iterator[FileRows]:
    for name, rows in selection.rows_of.items():
        places = np.flatnonzero(rows == split)
        if len(places):
            yield FileRows.pack(name, len(rows), places)


def _cut(files: Iterator[FileRows], per_file: int | None) -> Sequence[list[FileRows]]:
    if per_file is None:
        return [list(files)]
    cut: list[list[FileRows]] = [[]]
    room = per_file
    for file in files:
        rows = file.rows()
        while len(rows) > room:
            if room:
                cut[-1].append(FileRows.pack(file.name, file.of, rows[:room]))
            rows, room = rows[room:], per_file
            cut.append([])
        cut[-1].append(FileRows.pack(file.name, file.of, rows))
        room -= len(rows)
    return cut
