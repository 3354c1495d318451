"""Stages that wait make the table of those that compute."""

import pyarrow as pa
from ray import cloudpickle

from pipeline.benchmark.simulated_nodes import LastStage, NodeRun, _waiting_stage
from pipeline.stages.registry import stages_of
from pipeline.stages.steps import steps_of, table_schema


def test_waiting_stages_stand_for_those_with_models() -> None:
    stages = (
        _waiting_stage("features", "image", 0.0),
        _waiting_stage("candidates", "features", 0.0),
        LastStage,
    )
    assert [step.stage.name for step in steps_of(stages)] == ["features", "candidates", "rerank"]
    whole = table_schema(stages_of(("caption",)))
    assert list(table_schema(stages)) == [field for field in whole if field.name not in ("width", "height")]
    samples = pa.table({"error": pa.array([None, "damaged"], pa.string()), "image": [b"", b""]})
    for stage in cloudpickle.loads(cloudpickle.dumps(stages)):
        samples = stage()(samples)
    assert samples["caption"].to_pylist() == ["a red dot", None]


def test_what_is_computed_is_told_by_kind() -> None:
    run = NodeRun(
        nodes=2, chunks=4, chunks_per_second=2, of_linear=0.97, milliseconds_per_chunk={"driver": 9.0}
    )
    assert "1,024 images/s, 97% of linear" in run.line()
