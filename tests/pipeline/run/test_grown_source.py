"""What an archive has grown by costs what is new, whatever it is: nothing else is captioned again."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from pipeline.caption import caption_archive
from pipeline.execution.caption_stages import CaptionStages
from pipeline.execution.in_process import BuiltSteps, built_steps
from pipeline.run.config import CaptionJobConfig
from pipeline.run.grown_source import written_ids
from pipeline.run.run_folder import RunFolder
from pipeline.run.summary import Summary
from pipeline.stages.resources import StageResources
from pipeline.verify import verify_run
from tests.pipeline.run.test_changed_source import Shards, images, listed, parquet, pattern, tars
from tests.tables import file_hashes, table_of

FIRST: Shards = {"b": [40, 41, 42], "d": [43]}
NIGHTS: list[Shards] = [
    {"a": [50], **FIRST, "z": [51]},
    {"a": [50], **FIRST, "c": [52], "z": [51]},
]
MAKERS = [tars, pattern, listed, parquet, images]


@pytest.fixture(scope="module")
def built() -> list[BuiltSteps]:
    """The stages of the one model here, once they are loaded."""
    return []


@pytest.fixture
def caption(
    tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch, built: list[BuiltSteps]
) -> Callable[[str, bool], Summary]:
    def once(stages: CaptionStages, resources: StageResources) -> BuiltSteps:
        built.extend([] if built else [built_steps(stages, resources)])
        return built[0]

    monkeypatch.setattr("pipeline.execution.in_process.built_steps", once)
    monkeypatch.setattr("pipeline.sources.folder.FILES_A_SHARD", 3)

    def run(source: str, accept: bool) -> Summary:
        config = CaptionJobConfig(chunk_rows=2, decoding={"candidates": 1})
        output, model = str(tmp_path / "run"), str(small_bundle)
        return caption_archive(source, output, model, config, accept_changed=accept, local=True)

    return run


def _grew_by(run: Path, before: dict[str, str], summary: Summary, new: int, rows: int) -> None:
    problems: list[str] = []
    verify_run(str(run), True, problems.append, nullcontext)
    assert problems == []
    assert (summary.new_rows, summary.rows) == (new, rows)
    assert before.items() <= file_hashes(run).items()
    ids = table_of(str(run))["image_id"].to_pylist()
    assert len(ids) == len(set(ids)) == rows


@pytest.mark.parametrize("make", MAKERS)
def test_each_night_costs_what_is_new(
    tmp_path: Path, caption: Callable[[str, bool], Summary], make: Callable[[Path, Shards], str]
) -> None:
    run, rows = tmp_path / "run", 4
    assert caption(make(tmp_path, FIRST), False).rows == rows
    for night in NIGHTS:
        before, source = file_hashes(run), make(tmp_path, night)
        new, rows = sum(map(len, night.values())) - rows, sum(map(len, night.values()))
        _grew_by(run, before, caption(source, True), new, rows)


def test_the_ids_of_a_shard_are_known_once_all_of_it_is_written(
    tmp_path: Path, caption: Callable[[str, bool], Summary]
) -> None:
    caption(images(tmp_path, FIRST), False)
    folder = RunFolder(str(tmp_path / "run"))
    shard = (folder.planned() or [])[0]
    assert written_ids(folder.captions, shard) == {"b/0.jpg", "b/1.jpg", "b/2.jpg"}
    last = sorted((tmp_path / "run" / "captions").glob("archive-000000-*"))[-1]
    last.write_bytes(last.read_bytes()[:50])
    assert written_ids(folder.captions, shard) is None


def test_images_that_a_shard_begins_with_go_and_come_back(
    tmp_path: Path, caption: Callable[[str, bool], Summary]
) -> None:
    source = images(tmp_path, FIRST)
    caption(source, False)
    away = Path(source, "d").rename(tmp_path / "away")
    caption(source, True)
    away.rename(Path(source, "d"))
    caption(source, True)
    again = caption(source, False)
    assert (again.rows, again.new_rows) == (4, 0)
    problems: list[str] = []
    verify_run(str(tmp_path / "run"), True, problems.append, nullcontext)
    assert problems == []
