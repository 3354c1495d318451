"""Also for candidates.py, features.py, rerank.py and torch_runtime.py: stages with weights, one after
another.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from maccap.bundle import Bundle
from pipeline.chunk import SOURCE_SCHEMA
from pipeline.stages.candidates import CandidateStage
from pipeline.stages.features import FeatureStage
from pipeline.stages.registry import STAGES
from pipeline.stages.rerank import RerankStage
from pipeline.stages.stage import StageSettings
from pipeline.stages.steps import steps_of
from pipeline.stages.torch_runtime import TorchRuntime, is_device_lost
from tests.images import encoded, picture

RUNTIME = TorchRuntime()


@pytest.fixture(scope="module")
def made(small_bundle: Path) -> dict[str, pa.Table]:
    """Four rows, one of them an error, behind each stage."""
    bundle = Bundle.open(small_bundle)
    settings = StageSettings(
        model=str(small_bundle), pixels=bundle.pixel_spec(), decoding=bundle.config.decoding, feature_batch=2
    )
    rows = [{"image_id": str(n), "index": n, "image": encoded(picture(n))} for n in range(4)]
    rows[1]["image"] = b"no image"
    samples, after = pa.Table.from_pylist(rows, SOURCE_SCHEMA), {}
    for step in steps_of(STAGES, requests={"keep_features"}):
        stage = step.stage.build(settings, RUNTIME)
        samples = after[step.stage.name] = step.run(stage, samples)
        stage.close()
    return after


def test_features_are_half_precision_and_nothing_where_there_is_an_error(made: dict[str, pa.Table]) -> None:
    table = made[FeatureStage.name]
    norms = [float(np.linalg.norm(np.array(row, np.float32))) for row in table["global"].to_pylist()]
    assert norms == pytest.approx([1, 0, 1, 1], abs=1e-2)
    assert table["features"].type == pa.list_(pa.float16(), 4 * 32)
    assert "pixels" not in table.column_names


def test_candidates_are_as_many_as_asked_for(made: dict[str, pa.Table]) -> None:
    drawn = made[CandidateStage.name]["drawn"].to_pylist()
    assert [row and len(row) for row in drawn] == [4, None, 4, 4]
    assert set(drawn[0][0]) == {"text", "logprob"}


def test_the_caption_is_the_candidate_of_the_highest_score(made: dict[str, pa.Table]) -> None:
    table = made[RerankStage.name]
    for row in table.to_pylist():
        if row["error"]:
            assert row["caption"] is row["clip_score"] is row["candidates"] is None
            continue
        best = max(row["candidates"], key=lambda candidate: candidate["clip_score"])
        assert (row["caption"], row["clip_score"]) == (best["text"], best["clip_score"])
    assert "drawn" not in table.column_names
    assert {"global", "features"} <= set(table.column_names)


def test_a_runtime_sets_threads_and_says_device_and_dtype() -> None:
    before = torch.get_num_threads()
    try:
        assert TorchRuntime(precision="bfloat16", threads=1).apply() == ("cpu", torch.bfloat16)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert not is_device_lost(RuntimeError("shapes differ"))
