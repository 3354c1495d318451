"""Also for features.py and candidates.py: captions of regions through a run's stages, without Ray."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from maccap.captioner import Captioner
from maccap.captions import region_captions_type
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.execution.in_process import caption_in_process
from pipeline.inspect.explain import explain
from pipeline.inspect.explanation_page import as_text, draw_explanation
from pipeline.prepare import open_bundle, run_facts
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import RunFolder
from pipeline.sources import plan_source
from pipeline.stages.region_captions import RegionCaptionStage
from pipeline.stages.steps import steps_of
from pipeline.storage.errors import UserError
from tests.images import encoded, picture
from tests.tables import differences, table_of

SIZES = [(40, 40), (64, 48), (33, 90), (100, 35)]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures of several shapes, and what is none."""
    folder = tmp_path_factory.mktemp("images")
    for number, size in enumerate(SIZES):
        (folder / f"{number}.png").write_bytes(encoded(picture(number, *size), "PNG"))
    (folder / "4.png").write_bytes(b"no image")
    return folder


def _run(model: Path, source: Path, output: Path, **settings: Any) -> Path:
    config = CaptionJobConfig(**settings)
    plan, bundle = plan_source(str(source)), open_bundle(str(model))
    facts = run_facts(str(source), plan, str(model), bundle, config, "float32")
    facts = facts.model_copy(update={"region_captions": config.region_captions})
    folder = RunFolder(str(output))
    folder.begin(facts)
    folder.pin(plan.shards)
    stages = CaptionStages(str(output), bundle.pixel_spec(), facts, config, plan.columns)
    list(caption_in_process(stages, map(ShardWork, plan.shards)))
    folder.finish({})
    return output


def _regions(table: pa.Table) -> list[list[tuple]]:
    rows = table["region_captions"].to_pylist()
    return [[(one["text"], one["patch"], one["box"]) for one in row or []] for row in rows]


@pytest.fixture(scope="module")
def run(small_bundle: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "run"
    return _run(small_bundle, images, output, region_captions=2, keep_features=True)


def test_they_are_those_of_the_captioner(run: Path, small_bundle: Path, images: Path) -> None:
    table = table_of(str(run))
    assert table.schema.field("region_captions").type == region_captions_type()
    captioner = Captioner.from_pretrained(small_bundle, device="cpu")
    ids = [f"{number}.png" for number in range(4)]
    opened = [Image.open(images / name) for name in ids]
    captions = captioner.caption(opened, ids=table["image_id"].to_pylist()[:4], region_captions=2)
    found = table["region_captions"].to_pylist()
    assert found[4] is None
    for row, caption in zip(found[:4], captions, strict=True):
        assert [(one["text"], one["patch"]) for one in row] == [(r.text, r.patch) for r in caption.regions]
        for one, region in zip(row, caption.regions, strict=True):
            assert one["box"] == pytest.approx(region.box, abs=1e-6)
            assert one["score"] == pytest.approx(region.score, abs=1e-4)


def test_batches_do_not_change_them(run: Path, small_bundle: Path, images: Path, tmp_path: Path) -> None:
    settings = {"feature_batch": 2, "candidate_batch": 1, "rerank_batch": 3}
    again = _run(small_bundle, images, tmp_path, region_captions=2, keep_features=True, **settings)
    tables = [table_of(str(output)) for output in (run, again)]
    assert differences(*tables) == []
    assert _regions(tables[0]) == _regions(tables[1])


def test_without_them_a_run_is_as_it_was(run: Path, small_bundle: Path, images: Path, tmp_path: Path) -> None:
    plain = _run(small_bundle, images, tmp_path, keep_features=True)
    (file,) = (plain / "captions").iterdir()
    assert b"region" not in b"".join(pq.read_metadata(file).metadata.values())
    without = table_of(str(run)).drop_columns(["region_captions"])
    assert table_of(str(plain)).equals(without)
    facts, other = (RunFolder(str(output)).recorded() for output in (plain, run))
    assert facts is not None
    assert other is not None
    with pytest.raises(UserError, match="region_captions: was 2, now 0"):
        RunFolder(str(run)).check(facts.model_copy(update={"stages": other.stages}))


def test_a_run_that_read_regions_with_another_weight_is_not_resumed(run: Path) -> None:
    facts = RunFolder(str(run)).recorded()
    assert facts is not None
    with pytest.raises(UserError, match=r"region_weight: was 1\.5, now nothing"):
        RunFolder(str(run)).check(facts.model_copy(update={"region_weight": None}))  # as version 0.9.0


def test_an_explanation_makes_and_draws_them_again(run: Path) -> None:
    explanation = explain(str(run), "2.png")
    assert explanation.same is True
    assert f"region 1: cosine {explanation.row['region_captions'][0]['score']:.3f}" in as_text(explanation)
    plain = {**explanation.row, "region_captions": None}
    with_boxes, without = (draw_explanation(one) for one in (explanation, replace(explanation, row=plain)))
    whole = (24, 60, 24 + 384, 420)
    assert with_boxes.crop(whole).tobytes() != without.crop(whole).tobytes()


def test_kept_features_are_not_enough(run: Path, small_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs the column"):
        _run(small_bundle, run, tmp_path / "again", region_captions=2)
    assert table_of(str(_run(small_bundle, run, tmp_path / "without"))).num_rows == 5


def test_columns_on_the_way_leave_behind_their_last_reader() -> None:
    stages = CaptionJobConfig(region_captions=2).stages()
    drops = {step.stage.name: step.drops for step in steps_of(stages)}
    assert drops["candidates"] == ("features",)
    assert {"regions", "region_features", "region_texts"} <= {*drops[RegionCaptionStage.name]}
    with pytest.raises(ValueError, match="go with the task caption"):
        CaptionJobConfig(region_captions=2, tasks=("ask",))
