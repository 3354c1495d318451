"""What a section of the page is made of, as plain data that the page's script draws."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

Cell = str | int | None


@dataclass(frozen=True)
class Columns:
    """Upright bars of a distribution or over time; `labels` say what each stands for, and `ends` what is
    written below the first and the last.
    """

    kind: ClassVar = "columns"
    title: str
    about: str
    unit: str
    labels: Sequence[str]
    values: Sequence[float]
    ends: tuple[str, str]


@dataclass(frozen=True)
class Bars:
    """Named bars, one below the other."""

    kind: ClassVar = "bars"
    title: str
    about: str
    unit: str
    labels: Sequence[str]
    values: Sequence[float]


@dataclass(frozen=True)
class Table:
    """Numbers are drawn flush right; texts are data, and never markup."""

    kind: ClassVar = "table"
    title: str
    about: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Cards:
    """Rows of the gallery, by their numbers there, each with the number that it is shown for."""

    kind: ClassVar = "cards"
    title: str
    about: str
    rows: Sequence[int]
    notes: Sequence[str]


Block = Columns | Bars | Table | Cards


@dataclass(frozen=True)
class Section:
    """A heading with its blocks."""

    id: str
    title: str
    about: str
    blocks: Sequence[Block]

    def to_json(self) -> dict[str, Any]:
        blocks = [{"kind": block.kind, **asdict(block)} for block in self.blocks]
        return {"id": self.id, "title": self.title, "about": self.about, "blocks": blocks}


@dataclass(frozen=True)
class Headline:
    """A number that the page begins with."""

    value: str
    label: str
    about: str = ""
