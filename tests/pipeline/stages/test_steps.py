"""Also for stage.py: what follows from declarations."""

from typing import Self

import pyarrow as pa
import pytest

from pipeline.chunk import SOURCE_COLUMNS, Column
from pipeline.stages.registry import stages_of
from pipeline.stages.resources import Machine, StageResources
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.steps import Step, steps_of, table_columns, table_schema
from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.storage.errors import RunError, UserError

CAPTIONING = stages_of(("caption",))


class Double(Stage):
    name = "double"
    title = "twice the index"
    needs = ("index",)
    adds = (Column("double", pa.int64(), "twice"), Column("note", pa.string(), "read by nobody"))
    keeps = ("double",)

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        return cls()

    def __call__(self, samples: pa.Table) -> pa.Table:
        doubled = pa.array([2 * index for index in samples["index"].to_pylist()], pa.int64())
        notes = pa.array(["x"] * samples.num_rows)
        return samples.append_column("double", doubled).append_column("note", notes)


class Quadruple(Double):
    name = "quadruple"
    needs = ("double",)
    adds = (Column("quadruple", pa.int64(), "four times"),)
    keeps = ("quadruple",)

    def __call__(self, samples: pa.Table) -> pa.Table:
        values = pa.array([2 * value for value in samples["double"].to_pylist()], pa.int64())
        return samples.append_column("quadruple", values)


class OfPixels(Quadruple):
    name = "of_pixels"
    needs = ("pixels",)
    adds = (Column("mean", pa.float32(), "of the pixels"),)
    keeps = ("mean",)


def _order(steps: list[Step]) -> dict[str, tuple[str, ...]]:
    return {step.stage.name: step.drops for step in steps}


def test_columns_go_after_their_last_reader() -> None:
    empty = ("region_features", "region_texts", "regions")  # where no captions of regions are asked for
    assert _order(steps_of(CAPTIONING)) == {
        "decode": ("image",),
        "features": ("pixels",),
        "candidates": ("features", *empty),
        "rerank": ("drawn", "global"),
    }
    kept = _order(steps_of(CAPTIONING, requests={"keep_features"}))
    assert kept["candidates"] == empty
    assert kept["rerank"] == ("drawn",)


def test_stages_are_ordered_by_what_they_need_however_they_are_listed() -> None:
    assert list(_order(steps_of(CAPTIONING[::-1]))) == ["decode", "features", "candidates", "rerank"]
    assert list(_order(steps_of((Quadruple, Double)))) == ["double", "quadruple"]


def test_a_stage_runs_as_soon_as_it_can_and_what_it_reads_goes_then() -> None:
    order = _order(steps_of((*CAPTIONING, OfPixels)))
    assert list(order) == ["decode", "features", "of_pixels", "candidates", "rerank"]
    assert order["features"] == ()
    assert order["of_pixels"] == ("pixels",)


def test_what_a_source_brings_is_not_made_again() -> None:
    brought = ("image_id", "shard", "index", "metadata", "error", "width", "height", "global", "features")
    assert list(_order(steps_of(CAPTIONING, brought))) == ["candidates", "rerank"]
    with pytest.raises(UserError, match="stage decode needs the column image"):
        steps_of((*CAPTIONING, OfPixels), brought)


def test_the_table_has_what_stages_keep_between_what_the_source_gives() -> None:
    names = [column.name for column in table_columns((*CAPTIONING, Double))]
    stages = ["width", "height", "caption", "clip_score", "candidates", "double"]
    assert names == ["image_id", "shard", "index", *stages, "error", "metadata"]
    assert table_schema(CAPTIONING, {"keep_features"}).names[-2:] == ["global", "features"]
    assert all(column.about for column in table_columns(CAPTIONING, {"keep_features"}))


def test_a_step_drops_and_checks_what_its_stage_made() -> None:
    samples = pa.table({"index": [1, 2], "image": [b"a", b"b"]})
    (step,) = steps_of((Double,), SOURCE_COLUMNS)
    done = step.run(Double(), samples)
    assert done.to_pydict() == {"index": [1, 2], "double": [2, 4]}
    with pytest.raises(RunError, match="stage double did not return column note"):
        step.run(Quadruple(), done)

    class Loses(Double):
        def __call__(self, samples: pa.Table) -> pa.Table:
            return super().__call__(samples).slice(1)

    with pytest.raises(RunError, match="did not return its rows as they came"):
        Step(Loses, ()).run(Loses(), samples)


def test_a_stage_that_says_nothing_of_resources_takes_little() -> None:
    assert Double.default_resources(Machine(2)) == StageResources(num_cpus=0.1)

    class Weighty(Double):
        has_weights = True

    assert Weighty.default_resources(Machine(16)).actors == 2
    assert Weighty.default_resources(Machine(16, 2)).num_gpus == 0
