"""Also for answers.py, candidates.py, existing_caption.py, features.py, rerank.py, torch_runtime.py: stages
with weights, one after another.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from maccap.bundle import Bundle
from maccap.captioner import Captioner
from pipeline.chunk import SOURCE_SCHEMA
from pipeline.stages.answers import AnswerStage
from pipeline.stages.candidates import CandidateStage
from pipeline.stages.existing_caption import ExistingCaptionStage, own_caption
from pipeline.stages.features import FeatureStage
from pipeline.stages.registry import stages_of
from pipeline.stages.rerank import RerankStage
from pipeline.stages.stage import ExistingCaptions, StageSettings
from pipeline.stages.steps import steps_of
from pipeline.stages.torch_runtime import TorchRuntime, is_device_lost
from tests.images import encoded, picture

RUNTIME = TorchRuntime()


@pytest.fixture(scope="module")
def made(small_bundle: Path) -> dict[str, pa.Table]:
    """Four rows, one of them an error, behind each stage."""
    bundle = Bundle.open(small_bundle)
    settings = StageSettings(
        model=str(small_bundle),
        pixels=bundle.pixel_spec(),
        decoding=bundle.config.decoding,
        questions=("a red dog", "a cat"),
        existing=ExistingCaptions("txt"),
        feature_batch=2,
        rerank_batch=2,
    )
    rows = [{"image_id": str(n), "index": n, "image": encoded(picture(n))} for n in range(4)]
    rows[1]["image"] = b"no image"
    for row in rows[:3]:
        row["metadata"] = json.dumps({"txt": f" a dog\n{row['index']}"})
    samples, after = pa.Table.from_pylist(rows, SOURCE_SCHEMA), {}
    stages = stages_of(("caption", "ask"), {"existing_caption"})
    for step in steps_of(stages, requests={"keep_features"}):
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


def test_the_caption_is_what_the_bundle_chooses_by(
    made: dict[str, pa.Table], small_bundle: Path, tmp_path: Path
) -> None:
    likely = tmp_path / "likely"
    shutil.copytree(small_bundle, likely)
    config = json.loads((likely / "config.json").read_text())
    (likely / "config.json").write_text(json.dumps({**config, "rerank": {"logprob_weight": 1000}}))
    captioner = Captioner.from_pretrained(likely)
    assert captioner.reranker.config.logprob_weight == 1000
    before = made[CandidateStage.name]
    for row in RerankStage(str(likely), RUNTIME, 2)(before).to_pylist():
        if not row["error"]:
            best = max(row["candidates"], key=lambda candidate: candidate["logprob"])
            assert (row["caption"], row["clip_score"]) == (best["text"], best["clip_score"])
            [caption] = captioner.caption([picture(row["index"])], ids=[row["image_id"]])
            assert caption.text == max(caption.candidates, key=lambda candidate: candidate.logprob).text


def test_every_question_has_its_answer(made: dict[str, pa.Table]) -> None:
    answers = made[AnswerStage.name]["answers"].to_pylist()
    assert answers[1] is None
    for row in (0, 2, 3):
        assert [(one["question_id"], one["question"]) for one in answers[row]] == [
            *(("1", "a red dog"), ("2", "a cat"))
        ]
        assert all(one["answer"] is not None and one["logprob"] < 0 for one in answers[row])
    assert "questions" not in made[AnswerStage.name].column_names


def test_captions_that_are_there_are_scored(made: dict[str, pa.Table], small_bundle: Path) -> None:
    table = made[ExistingCaptionStage.name]
    assert table["original_caption"].to_pylist() == ["a dog 0", "a dog 1", "a dog 2", None]
    scores = table["original_clip_score"].to_pylist()
    assert [score is None for score in scores] == [False, True, False, True]
    assert table["wanted"].to_pylist() == [True] * 4
    clip = Bundle.open(small_bundle).load_clip("cpu")
    global_ = torch.tensor(np.array(table["global"].to_pylist(), np.float32))
    (text,) = clip.encode_text(["a dog 2"])
    assert scores[2] == pytest.approx(
        float(torch.nn.functional.normalize(global_[2], dim=-1) @ text), abs=1e-4
    )


@pytest.mark.parametrize(
    ("metadata", "field", "expected"),
    [
        ({"caption": "a dog"}, "caption", "a dog"),
        ({"txt": " a\n dog "}, ".txt", "a dog"),
        ({"captions": ["", "a dog", "a cat"]}, "captions", "a dog"),
        ({"json": {"text": {"en": "a dog"}}}, "json.text.en", "a dog"),
        ({"a.b": "a dog"}, "a.b", "a dog"),
        ({"caption": " "}, "caption", None),
        ({"caption": 3}, "caption", None),
        ({"caption": None}, "caption", None),
        ([1], "caption", None),
        (None, "caption", None),
    ],
)
def test_where_a_caption_is_looked_for(metadata: object, field: str, expected: str | None) -> None:
    assert own_caption(None if metadata is None else json.dumps(metadata), field) == expected


@pytest.mark.parametrize(
    ("existing", "suffices"),
    [
        (ExistingCaptions("txt"), [False, False, False]),
        (ExistingCaptions("txt", only_missing=True), [True, True, True]),
        (ExistingCaptions("txt", only_below=0.2), [False, True, False]),
    ],
)
def test_which_captions_suffice(existing: ExistingCaptions, suffices: list[bool]) -> None:
    assert [existing.suffices(score) for score in (0.1, 0.2, None)] == suffices


def test_a_runtime_sets_threads_and_says_device_and_dtype() -> None:
    before = torch.get_num_threads()
    try:
        assert TorchRuntime(precision="bfloat16", threads=1).apply() == ("cpu", torch.bfloat16)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert not is_device_lost(RuntimeError("shapes differ"))
