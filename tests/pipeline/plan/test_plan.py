"""A plan, and sampling.py and measure.py behind it: counts are exact, given rates give exact arithmetic, a
sample is captioned by the real stages, and nothing is written.
"""

from pathlib import Path

import pytest

from pipeline.execution.budget import Prices
from pipeline.plan.measure import seconds_per_image
from pipeline.plan.plan import ArchivePlan, Means, plan_archive
from pipeline.plan.this_machine import ThisMachine
from pipeline.run.config import CaptionJobConfig
from pipeline.stages.registry import stages_of
from pipeline.stages.steps import steps_of
from pipeline.storage.errors import UserError
from tests.images import encoded, picture, write_shard, write_tar
from tests.pipeline.plan.runs import begun, contents

GIVEN = Means(images_per_second=0.5, gpus=4, prices=Prices(gpu_hour=3))


def _plan(
    source: Path, model: Path, means: Means = GIVEN, output: Path | None = None, **settings: object
) -> ArchivePlan:
    config = CaptionJobConfig(**{"chunk_rows": 2, **settings})
    return plan_archive(str(source), str(output) if output else None, str(model), config, means)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tars of 5, 4 and 0 samples, of which one is damaged, a folder of 3 images and a text file."""
    folder = tmp_path_factory.mktemp("archive")
    write_shard(folder / "a.tar", 5)
    members = [(f"{number}.jpg", encoded(picture(number))) for number in range(3)]
    write_tar(folder / "b.tar", [*members, ("3.jpg", b"\x1b[31mnot an image")])
    write_tar(folder / "c.tar", [])
    (folder / "images").mkdir()
    for number in range(3):
        (folder / "images" / f"{number}.jpg").write_bytes(encoded(picture(number)))
    (folder / "notes.docx").write_text("notes")
    return folder


def test_counts_are_exact_and_so_is_arithmetic(archive: Path, small_bundle: Path) -> None:
    plan = _plan(archive, small_bundle)
    assert (plan.rows, plan.rows_exact, plan.shards) == (12, True, 4)
    assert (plan.files, plan.files_exact) == (3 + 2 + 1 + 2, True)
    assert plan.left_out == {".docx": 1}
    assert plan.sample is not None
    assert (plan.sample.images, plan.sample.errors) == (11, 1)
    assert (plan.sample.width, plan.sample.height) == (48, 40)
    assert plan.effort is not None
    assert (plan.effort.images_per_second, plan.effort.hours) == (2, 12 / 2 / 3600)
    assert plan.effort.cost == pytest.approx(12 / 2 / 3600 * 4 * 3)
    assert (plan.measured, plan.output_bytes) == (None, None)
    told = dict(plan.lines())
    assert told["rows"] == "12 in 4 shards"
    assert told["left out"] == ".docx (1)"
    assert told["GPU hours"] == "0.01"
    assert all("\x1b" not in text for text in told.values())
    assert ArchivePlan.model_validate_json(plan.model_dump_json()) == plan


def test_a_sample_is_captioned_as_a_run_captions_it(archive: Path, small_bundle: Path) -> None:
    before = contents(archive)
    plan = _plan(archive, small_bundle, Means(machines=2, gpus=0, local=True))
    assert plan.measured is not None
    assert plan.effort is not None
    assert list(plan.measured.stages) == ["decode", "features", "candidates", "rerank", "flags"]
    assert plan.measured.images_per_second == pytest.approx(1 / sum(plan.measured.stages.values()))
    assert plan.effort.images_per_second == pytest.approx(2 * plan.measured.images_per_second)
    assert plan.measured.images == 11
    assert plan.output_bytes is not None
    assert 8 * plan.measured.file_bytes < plan.output_bytes < 200_000
    assert contents(archive) == before


def test_of_a_run_that_was_begun_the_rest_is_planned(tmp_path: Path, small_bundle: Path) -> None:
    for number in range(3):
        write_shard(tmp_path / "tars" / f"{number}.tar", 5)
    output = begun(tmp_path / "tars", tmp_path / "run", small_bundle)
    next(output.glob("captions/1-*.00001.parquet")).unlink()
    before = contents(output)
    plan = _plan(tmp_path / "tars", small_bundle, output=output)
    assert (plan.rows, plan.rows_left, plan.files, plan.files_left) == (15, 2, 9, 1)
    assert plan.effort is not None
    assert plan.effort.hours == 2 / 2 / 3600
    assert dict(plan.lines())["left to do"] == "2 rows in 1 file; the rest is written"
    assert _plan(tmp_path / "tars", small_bundle, limit=7).rows == 7
    with pytest.raises(UserError, match="seed: was 0, now 1"):
        _plan(tmp_path / "tars", small_bundle, output=output, seed=1)
    assert contents(output) == before


def test_shards_that_are_not_there_and_archives_without_images(tmp_path: Path, small_bundle: Path) -> None:
    write_tar(tmp_path / "0.tar", [])
    plan = _plan(tmp_path / "{0,1}.tar", small_bundle)
    assert (plan.rows, plan.missing_shards) == (1, 1)
    only_empty = _plan(tmp_path / "0.tar", small_bundle, Means(local=True))
    assert (only_empty.rows, only_empty.effort) == (0, None)
    assert "no image to measure on" in dict(only_empty.lines())["time"]


def test_what_this_machine_cannot_tell_is_refused(
    archive: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ThisMachine, "look", lambda: ThisMachine(2, 0))
    with pytest.raises(UserError, match="no GPU to measure on"):
        _plan(archive, small_bundle, Means(gpus=8))
    with pytest.raises(UserError, match="give --hour-price"):
        _plan(archive, small_bundle, Means(prices=Prices(gpu_hour=1)))


def test_light_stages_share_cores_and_models_share_gpus() -> None:
    steps = steps_of(stages_of(("caption",)))
    spent = {"decode": 0.08, "features": 0.01, "candidates": 0.02, "rerank": 0.01, "flags": 0.0}
    cases = [
        (ThisMachine(4, 0), True, 0.12),
        (ThisMachine(4, 0), False, 0.06),
        (ThisMachine(4, 1), False, 0.04),
        (ThisMachine(4, 8), False, 0.02),
    ]
    for machine, local, seconds in cases:
        named = [step for step in steps if step.stage.name in spent]
        assert seconds_per_image(spent, named, machine, local) == pytest.approx(seconds)
