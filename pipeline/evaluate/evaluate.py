"""An evaluation from beginning to end: read runs and references, join them, score, resample, compare."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from maccap.scenes.evaluation.score import Scores
from pipeline.evaluate.bootstrap import SAMPLES, Interval, interval, resample
from pipeline.evaluate.captions import Captions
from pipeline.evaluate.join_references import Joined, all_rows, join_references, own_references
from pipeline.evaluate.metric import Array, Metric, MetricScore, NotComputed, Remark
from pipeline.evaluate.name_index import NameIndex
from pipeline.evaluate.reference_files import read_references
from pipeline.evaluate.references import Fields
from pipeline.evaluate.result import Evaluation, Group, Join, RunResult, Score
from pipeline.evaluate.scenes import are_scenes, score_scenes
from pipeline.join.image_names import NameRule
from pipeline.storage.errors import UserError

METADATA = "metadata"
"""In place of a file of references: those that the samples brought."""


@dataclass(frozen=True)
class Settings:
    """Where references come from and how they are joined (a rule is chosen where `rule` is None)."""

    references: str | None = None
    fields: Fields = field(default_factory=Fields)
    rule: NameRule | None = None
    seed: int = 0


@dataclass
class _Scored:
    """What the metrics found of one run's captions, with the bootstrap samples of scores that have them."""

    values: dict[str, float]
    samples: dict[str, Array]
    not_computed: dict[str, str]
    remarks: list[str]

    @classmethod
    def of(cls, captions: Captions, metrics: Sequence[Metric], seed: int) -> "_Scored":
        outcomes = [outcome for metric in metrics for outcome in metric.measure(captions)]
        measured = [one for one in outcomes if isinstance(one, MetricScore)]
        resampled = [one for one in measured if one.resampled]
        samples = resample(resampled, len(captions.rows), seed)
        missing = [one for one in outcomes if isinstance(one, NotComputed)]
        return cls(
            values={one.name: one.value() for one in measured},
            samples={one.name: drawn for one, drawn in zip(resampled, samples, strict=True)},
            not_computed={name: one.reason for one in missing for name in one.names},
            remarks=[one.text for one in outcomes if isinstance(one, Remark)],
        )

    def scores(self) -> dict[str, Score]:
        return {name: _score(value, self.samples.get(name)) for name, value in self.values.items()}

    def less(self, other: "_Scored") -> dict[str, Score]:
        """The differences of scores that both have; their samples are of the same images."""
        return {
            name: _score(self.values[name] - other.values[name], drawn - other.samples[name])
            for name, drawn in self.samples.items()
            if name in other.samples
        }


def joined_captions(runs: Sequence[str], settings: Settings) -> list[tuple[Captions, Joined | None]]:
    """The captions of each run that are to be scored. Raises UserError."""
    if settings.references is None:
        return [(all_rows(run), None) for run in runs]
    if settings.references == METADATA:
        return [own_references(run, settings.fields) for run in runs]
    references = read_references(settings.references, settings.fields)
    index = NameIndex(f"--references {settings.references}", [one.names for one in references.images])
    return [join_references(run, references, index, settings.rule) for run in runs]


def evaluate(
    runs: Sequence[tuple[Captions, Joined | None]], metrics: Sequence[Metric], settings: Settings
) -> Evaluation:
    """Scores of the first run, and of the others beside it on the images that all of them have.

    Raises UserError where there are none.
    """
    shared = on_shared_images([captions for captions, _ in runs])
    scored = [_Scored.of(captions, metrics, settings.seed) for captions in shared]
    results = [
        RunResult(
            run=captions.run,
            images=len(captions.rows),
            without_caption=captions.without_caption,
            join=_join(joined),
            scores=own.scores(),
            groups=_groups(captions, metrics, settings.seed),
            difference=None if own is scored[0] else own.less(scored[0]),
            not_computed=own.not_computed,
            remarks=own.remarks,
            scenes=_scenes(captions, settings),
        )
        for captions, own, (_, joined) in zip(shared, scored, runs, strict=True)
    ]
    return Evaluation(
        **dict(results[0]),
        references=settings.references,
        seed=settings.seed,
        bootstrap_samples=SAMPLES,
        compared=results[1:],
    )


def on_shared_images(runs: Sequence[Captions]) -> list[Captions]:
    """The runs' rows of the images that all have, in the order of the first. Raises UserError for none."""
    places = [{row.key: place for place, row in enumerate(captions.rows)} for captions in runs]
    keys = [row.key for row in runs[0].rows if all(row.key in known for known in places)]
    if not keys:
        names = ", ".join(captions.run for captions in runs)
        raise UserError(
            f"{names}: there is no image that all of these runs have. Compare runs of one archive."
        )
    return [captions.take([known[key] for key in keys]) for captions, known in zip(runs, places, strict=True)]


def _groups(captions: Captions, metrics: Sequence[Metric], seed: int) -> dict[str, Group]:
    """CIDEr-D's document frequencies are then those of the group, as each is a benchmark of its own."""
    groups = {name: captions.take(places) for name, places in captions.groups().items()}
    return {
        name: Group(images=len(own.rows), scores=_Scored.of(own, metrics, seed).scores())
        for name, own in groups.items()
    }


def _scenes(captions: Captions, settings: Settings) -> dict[str, dict[str, Scores]] | None:
    """Rendered scenes bring what is in them, and need no references."""
    if settings.references is not None or not captions.are_captions or not are_scenes(captions.rows):
        return None
    return score_scenes(captions.rows, captions.run)


def _score(value: float, draws: Array | None) -> Score:
    between: Interval | None = None if draws is None else interval(draws)
    low, high = between or (None, None)
    return Score(value=value if math.isfinite(value) else None, low=low, high=high)


def _join(joined: Joined | None) -> Join | None:
    if joined is None:
        return None
    return Join(
        rule=joined.rule,
        images=joined.images,
        rows_without_references=joined.rows_without_references,
        images_without_row=joined.images_without_row,
        unreadable_records=joined.unreadable_records,
    )
