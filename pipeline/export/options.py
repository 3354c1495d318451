"""What a person may say about an export: the same in the command and in its `export.json`."""

import math
import re
from typing import Literal

from pydantic import Field, FiniteFloat, field_validator

from maccap.config import Config
from pipeline.storage.errors import UserError

ColumnNames = Literal["recap", "laion-coco"]
_MOST_SPLITS = 100
_SPLIT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_]{0,62}[A-Za-z0-9])?")


class ExportOptions(Config):
    """Options of all formats; a format says which of the last four are its own."""

    format: str
    where: str | None = None
    below: FiniteFloat | None = None
    split: dict[str, float] = Field(default_factory=dict)  # fractions by name; they add up to 1
    captions: int | None = Field(default=1, ge=1)  # of each image, the best; None: all of its candidates
    per_file: int | None = Field(default=None, ge=1)
    captions_only: bool = False
    columns: ColumnNames | None = None
    images: str | None = None  # COCO's JSON that numbers the images

    @field_validator("split")
    @classmethod
    def _whole(cls, split: dict[str, float]) -> dict[str, float]:
        if split and (min(split.values()) <= 0 or abs(sum(split.values()) - 1) > 1e-6):
            raise ValueError("the fractions must be above 0 and add up to 1")
        if len(split) > _MOST_SPLITS:
            raise ValueError(f"there are at most {_MOST_SPLITS} splits")
        return split


def parse_split(text: str) -> dict[str, float]:
    """`train=0.98,val=0.02` as fractions by name. Raises UserError."""
    fractions: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        try:
            fraction = float(value)
        except ValueError:
            fraction = 0.0
        taken = {"all", *map(str.lower, fractions)}  # `all` is every split together, where they are loaded
        if not _SPLIT.fullmatch(name) or name.lower() in taken or not 0 < fraction <= 1:
            raise UserError(
                f"--split {text}: {part.strip()!r} is not NAME=FRACTION with a name of its own, of letters, "
                "digits and _ and not `all`, and a fraction above 0. Write it as train=0.98,val=0.02."
            )
        fractions[name] = fraction
    if len(fractions) > _MOST_SPLITS:
        raise UserError(f"--split: {len(fractions)} splits are more than {_MOST_SPLITS}. Name fewer.")
    if abs(sum(fractions.values()) - 1) > 1e-6:
        raise UserError(f"--split {text}: the fractions add up to {sum(fractions.values()):g}, not to 1.")
    return fractions


def parse_captions(text: str) -> int | None:
    """A number from 1, or `all` as None. Raises UserError."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"--captions {text}: give how many captions of each image, from 1, or `all`.")
    return int(text)


def checked_below(score: float | None) -> float | None:
    """Raises UserError for a score that is no number."""
    if score is not None and not math.isfinite(score):
        raise UserError(f"--below {score}: give a score, a number, or leave it out.")
    return score
