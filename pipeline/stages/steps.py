"""From what stages declare to what a run does: which of them run, in what order, what is dropped when, and
the caption table that comes of it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.chunk import SOURCE_COLUMNS, TABLE_ENDS_WITH, TABLE_STARTS_WITH, Column
from pipeline.stages.resources import Machine, Resources, TaskResources, units_of
from pipeline.stages.stage import Stage
from pipeline.storage.errors import RunError, UserError

Stages = Sequence[type[Stage]]
_CONTRACT = "see `Stage` in pipeline/stages/stage.py"


@dataclass(frozen=True)
class Step:
    """One stage of a run, and the columns that nothing reads behind it."""

    stage: type[Stage]
    drops: tuple[str, ...]

    def run(self, stage: Stage, samples: pa.Table) -> pa.Table:
        """`samples` after `stage`, which was built from `self.stage`. Raises RunError where it did not do
        what it declares.
        """
        done = stage(samples)
        lacking = [column.name for column in self.stage.adds if column.name not in done.column_names]
        if lacking:
            raise RunError(
                f"stage {self.stage.name} did not return column {', '.join(lacking)} ({_CONTRACT})"
            )
        for name in {"image_id", "index"} & {*samples.column_names}:
            if name not in done.column_names or not done[name].equals(samples[name]):
                raise RunError(f"stage {self.stage.name} did not return its rows as they came ({_CONTRACT})")
        return done.drop_columns([name for name in self.drops if name in done.column_names])


def steps_of(
    stages: Stages, source: Collection[str] = SOURCE_COLUMNS, requests: Collection[str] = ()
) -> list[Step]:
    """The stages that make the table's columns out of those of a `source`, in order. A stage runs as soon as
    what it needs is there, of several the one that stands first in `stages`; a stage whose columns come with
    the source, or are not asked for, does not run. Raises UserError where a column comes from nowhere.
    """
    chosen = _needed(stages, source, requests)
    kept = {column.name for column in table_columns(stages, requests)}
    ordered: list[type[Stage]] = []
    there = set(source)
    while waiting := [stage for stage in chosen if stage not in ordered]:
        to_come = {column.name for stage in waiting for column in stage.adds}
        ready = [
            stage
            for stage in waiting
            if there.issuperset(stage.needs) and not to_come.intersection(stage.may_need)
        ]
        if not ready:
            stage = waiting[0]
            lacking = ", ".join(name for name in stage.needs if name not in there)
            raise UserError(
                f"stage {stage.name} needs the column {lacking}, which neither this SOURCE nor another stage "
                "has"
            )
        ordered += ready
        there |= {column.name for stage in ready for column in stage.adds}
    last_reader = {
        name: place for place, stage in enumerate(ordered) for name in (*stage.needs, *stage.may_need)
    }
    steps = []
    held = set(source)
    for place, stage in enumerate(ordered):
        held |= {column.name for column in stage.adds}
        drops = sorted(name for name in held - kept if last_reader.get(name, -1) <= place)
        held -= set(drops)
        steps.append(Step(stage, tuple(drops)))
    return steps


def table_columns(stages: Stages, requests: Collection[str] = ()) -> list[Column]:
    """The columns of the caption table, in order; `requests` are the settings of a run that ask for more."""
    kept = [column for stage in stages for column in stage.adds if column.name in stage.keeps]
    return [*TABLE_STARTS_WITH, *kept, *TABLE_ENDS_WITH, *_requested(stages, requests)]


def table_schema(stages: Stages, requests: Collection[str] = ()) -> pa.Schema:
    """Of the same columns; a list without a size stands for fixed-size lists."""
    return pa.schema([(column.name, column.type) for column in table_columns(stages, requests)])


def resources_for(stages: Stages, cpus: float, gpus: float) -> Resources:
    """Requests that fit a machine of `cpus` and `gpus`."""
    return resources_for_nodes(stages, [Machine(cpus, int(gpus))])


def resources_for_nodes(stages: Stages, nodes: Sequence[Machine]) -> Resources:
    """Requests that fit a cluster of `nodes`: all actors, with room for a task of each kind beside those of a
    node. Each GPU is given away whole, to an actor of every stage that computes on it. Stages that were never
    meant to run together, as those of two tasks, each get less.
    """
    unit, units = units_of(nodes)
    asked = {stage.name: stage.default_resources(unit) for stage in stages}
    beside = {"read": 0.2 * unit.fraction, "write": 0.1 * unit.fraction}
    on_cpus = sum(one.num_cpus * one.actors for one in asked.values()) + sum(beside.values())
    less = min(1.0, 0.95 * unit.cpus / on_cpus)
    added = {column.name for stage in stages for column in stage.adds}
    source = {name for stage in stages for name in stage.needs} - added  # whatever brings that
    steps = steps_of(stages, source, {stage.setting for stage in stages if stage.setting})
    gpus = _gpu_parts([step.stage.name for step in steps if asked[step.stage.name].num_gpus])
    return Resources(
        **{name: TaskResources(num_cpus=fraction * less) for name, fraction in beside.items()},
        **{
            name: one.model_copy(
                update={
                    "num_cpus": one.num_cpus * less,
                    **({"num_gpus": gpus[name]} if name in gpus else {}),
                    **({"actors": one.actors * units} if "actors" in one.model_fields_set else {}),
                }
            )
            for name, one in asked.items()
        },
    )


def _gpu_parts(names: Sequence[str]) -> dict[str, float]:
    """Parts of a GPU for a worker of each stage, in the order in which their actors start: each takes more
    than half of what those before it left, so that no GPU has room for two. Ray fills one GPU before the
    next: equal parts would put all of a stage's actors on the first few.
    """
    parts, left = {}, _TEN_THOUSANDTHS
    for name in names:
        parts[name] = (left if name == names[-1] else left // 2 + 1) / _TEN_THOUSANDTHS
        left -= left // 2 + 1
    return parts


_TEN_THOUSANDTHS = 10_000  # that Ray counts in


def check_resources(resources: Resources, stages: Stages, known: Stages | None = None) -> None:
    """Raise ValueError for a stage that is not there, of those that run lacks its requests, or can use no
    more than a CPU. `known` are all that there are. Light stages that a setting asks for may be left out.
    """
    names = [stage.name for stage in stages]
    if unknown := sorted(resources.stages.keys() - {stage.name for stage in known or stages}):
        raise ValueError(f"unknown key `{unknown[0]}` (known: read, {', '.join(names)}, write)")
    if lacking := [
        stage.name
        for stage in stages
        if stage.name not in resources.stages and (stage.has_weights or not stage.setting)
    ]:
        raise ValueError(f"`{lacking[0]}` is missing: name all stages, or leave `resources` out")
    for stage in stages:
        if not stage.has_weights and resources.of(stage.name).model_fields_set > {"num_cpus"}:
            raise ValueError(f"`{stage.name}` holds no weights and takes num_cpus alone")


def _needed(stages: Stages, source: Collection[str], requests: Collection[str]) -> list[type[Stage]]:
    wanted = {column.name for column in table_columns(stages, requests)} - set(source)
    chosen: list[type[Stage]] = []
    while more := [
        stage
        for stage in stages
        if stage not in chosen and wanted.intersection(column.name for column in stage.adds)
    ]:
        chosen += more
        wanted |= {name for stage in more for name in stage.needs}
        wanted -= set(source)
    return [stage for stage in stages if stage in chosen]


def _requested(stages: Stages, requests: Collection[str]) -> Iterator[Column]:
    for stage in stages:
        for column in stage.adds:
            if stage.keeps_on_request.get(column.name) in requests:
                yield column
