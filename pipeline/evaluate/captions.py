"""The captions of a run that are scored: a row each, with the references that were joined to it.

They are held in memory, at about two kilobytes a row: a reference file bounds how many there are, and without
one it is the run's size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.inspect.caption_table import read_captions, table_columns

COLUMNS = ("image_id", "shard", "index", "caption", "answers", "error", "metadata")
WITH_CANDIDATES = (*COLUMNS, "candidates")


class Answered(NamedTuple):
    """An answer that the run gave to a question about the image; None where it gave none."""

    question_id: str
    answer: str | None


@dataclass(frozen=True)
class Row:
    """One image of a run. `caption` is None where the run has none; it is scored as the empty caption.

    `key` is what the image is called by the references, and its id where there are none: by it are runs
    compared. `group` is the part of a benchmark that it belongs to, such as NoCaps' domain.
    """

    image_id: str
    shard: str
    index: int
    caption: str | None
    metadata: str | None
    key: str
    first: str | None = None  # the first candidate, what a run without reranking would say
    answers: tuple[Answered, ...] = ()
    references: tuple[str, ...] = ()
    group: str | None = None


@dataclass(frozen=True)
class Captions:
    """Rows of the run at the URL `run`, and which columns its table has."""

    run: str
    rows: list[Row]
    columns: frozenset[str] = field(default_factory=frozenset)

    @property
    def are_captions(self) -> bool:
        """Whether it is a run that captions; one may answer questions alone."""
        return "caption" in self.columns

    @property
    def with_references(self) -> bool:
        return self.are_captions and bool(self.rows) and all(row.references for row in self.rows)

    @property
    def without_caption(self) -> int:
        return sum(row.caption is None for row in self.rows) if self.are_captions else 0

    def take(self, places: Sequence[int]) -> "Captions":
        """These of the rows."""
        return Captions(self.run, [self.rows[place] for place in places], self.columns)

    def groups(self) -> dict[str, list[int]]:
        """The places of the rows of each group."""
        groups: dict[str, list[int]] = {}
        for place, row in enumerate(self.rows):
            if row.group is not None:
                groups.setdefault(row.group, []).append(place)
        return groups


def read_rows(run: str, columns: Sequence[str] = COLUMNS) -> Iterator[Row]:
    """The rows of a run's table, one after another; of `columns` those that it has.

    A caption of nothing but white space is none, and so is that of a row with an error.
    """
    present = table_columns(run)
    for table in read_captions(run, [name for name in columns if name in present] or columns):
        for fields in table.to_pylist():
            caption = None if fields.get("error") else fields.get("caption")
            candidates, image_id = fields.get("candidates") or (), fields["image_id"]
            yield Row(
                image_id=image_id,
                shard=fields.get("shard") or "",
                index=fields.get("index") or 0,
                caption=caption if caption and caption.strip() else None,
                metadata=fields.get("metadata"),
                key=image_id,
                first=candidates[0]["text"] if candidates else None,
                answers=tuple(
                    Answered(str(one["question_id"]), one["answer"]) for one in fields.get("answers") or ()
                ),
            )
