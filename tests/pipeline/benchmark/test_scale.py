from pathlib import Path

import pyarrow as pa

from pipeline.benchmark.scale import ConstantCaption, write_tiny_archive
from pipeline.sources import plan_source, read_shard
from pipeline.stages.decode import DecodeStage
from pipeline.stages.registry import stages_of
from pipeline.stages.steps import steps_of, table_schema

CAPTIONING = stages_of(("caption",))


def test_an_archive_of_one_tar_under_many_names(tmp_path: Path) -> None:
    write_tiny_archive(tmp_path / "tiny", 3, 4)
    shards = plan_source(str(tmp_path / "tiny")).shards
    ids = [sample.image_id for shard in shards for sample in read_shard(shard)]
    assert len(set(ids)) == 12


def test_the_constant_model_makes_the_table_of_the_real_one() -> None:
    stages = (DecodeStage, ConstantCaption)
    assert [step.stage for step in steps_of(stages)] == list(stages)
    assert table_schema(stages) == table_schema(CAPTIONING)
    samples = pa.table({"error": pa.array([None, "damaged"], pa.string())})
    made = ConstantCaption()(samples)
    assert made["caption"].to_pylist() == ["a red dot", None]
