"""What an evaluation found, as `maccap evaluate` prints it last."""

from pydantic import Field

from maccap.config import Config
from maccap.scenes.evaluation.score import Scores
from pipeline.join.image_names import NameRule


class Score(Config):
    """A score with its 95 % interval; None for a score of nothing, and where it has no interval."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Group(Config):
    """A part of the images."""

    images: int
    scores: dict[str, Score]


class Join(Config):
    """How rows and references met: see `pipeline.evaluate.join_references.Joined`."""

    rule: NameRule | None
    images: int
    rows_without_references: int
    images_without_row: int
    unreadable_records: int


class RunResult(Config):
    """The scores of one run. `images` are those scored, and `without_caption` those of them that have none.

    `difference` is this run's score less that of the first run, on the same images.
    """

    run: str
    images: int
    without_caption: int
    join: Join | None = None
    scores: dict[str, Score]
    groups: dict[str, Group] = Field(default_factory=dict)
    difference: dict[str, Score] | None = None
    not_computed: dict[str, str] = Field(default_factory=dict)
    remarks: list[str] = Field(default_factory=list)
    scenes: dict[str, dict[str, Scores]] | None = None


class Evaluation(RunResult):
    """The first run, and those that it is compared with."""

    references: str | None
    seed: int
    bootstrap_samples: int
    compared: list[RunResult] = Field(default_factory=list)
