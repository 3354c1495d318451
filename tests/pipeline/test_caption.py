"""A run as a whole; also for prepare.py."""

import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from maccap import __version__
from pipeline.caption import caption_archive
from pipeline.chunk import shard_file_stem
from pipeline.execution.budget import Budget
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.execution.in_process import caption_in_process
from pipeline.prepare import open_bundle, run_facts
from pipeline.run.completed_chunks import unfinished
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import RunFolder
from pipeline.run.selection import Selection
from pipeline.run.summary import Summary
from pipeline.sources import plan_source
from pipeline.storage.errors import UserError
from tests.images import write_shard
from tests.tables import file_hashes

CONFIG = CaptionJobConfig(chunk_rows=2)


@pytest.fixture
def source(tmp_path: Path) -> str:
    write_shard(tmp_path / "tars" / "s-0.tar", 5)
    return str(tmp_path / "tars" / "s-{0,1}.tar")  # the second is missing: an error row


def _begin(source: str, output: Path, model: Path) -> RunFolder:
    """A run up to its last chunk, in this process."""
    bundle, plan = open_bundle(str(model)), plan_source(source)
    facts = run_facts(source, plan, str(model), bundle, CONFIG, "float32")
    assert facts.version == __version__
    folder = RunFolder(str(output))
    folder.begin(facts)
    folder.pin(plan.shards)
    stages = CaptionStages(str(output), bundle.pixel_spec(), facts, CONFIG)
    assert len(list(caption_in_process(stages, [ShardWork(shard) for shard in plan.shards]))) == 4
    return folder


def _contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_a_finished_run_again_returns_its_summary_and_touches_nothing(
    tmp_path: Path, source: str, small_bundle: Path
) -> None:
    output = tmp_path / "run"
    _begin(source, output, small_bundle)
    first = caption_archive(source, str(output), str(small_bundle), CONFIG)
    assert (first.rows, first.errors) == (6, 1)
    stored = {**json.loads((output / "summary.json").read_text()), "new_rows": 6, "images_per_second": 3.5}
    (output / "summary.json").write_text(json.dumps(stored))
    before = _contents(output)
    again = caption_archive(source, str(output), str(small_bundle), CONFIG)
    assert again.model_dump() == {**stored, "new_rows": 0, "measured": {}}
    assert _contents(output) == before


def test_an_interrupted_retry_leaves_the_chunks_with_errors_missing(
    tmp_path: Path, source: str, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "run"
    folder = _begin(source, output, small_bundle)
    caption_archive(source, str(output), str(small_bundle), CONFIG)

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.execution.in_process.CaptionInProcess.caption", interrupted)
    with pytest.raises(KeyboardInterrupt):
        caption_archive(source, str(output), str(small_bundle), CONFIG, retry_errors=True, local=True)
    assert unfinished([shard.id for shard in plan_source(source).shards], folder.written()) == ["s-1.tar"]
    assert not (output / "_SUCCESS").exists()


def test_partitions_mark_their_part_and_the_last_the_whole(
    tmp_path: Path, source: str, small_bundle: Path
) -> None:
    output = tmp_path / "run"
    _begin(source, output, small_bundle)

    def caption(partition: str | None, shards: str | None = None) -> tuple[int, int, int]:
        selection = Selection.parse(shards, partition)
        done = caption_archive(source, str(output), str(small_bundle), CONFIG, selection=selection)
        return done.shards, done.rows, done.errors

    last = next((output / "captions").glob("s-1-*"))
    content = last.read_bytes()
    last.unlink()
    assert caption("1/2") == (1, 5, 0)
    assert caption(None, "0") == (1, 5, 0)
    assert not (output / "_SUCCESS").exists()
    last.write_bytes(content)
    assert caption("2/2") == (1, 1, 1)
    assert (output / "_SUCCESS").exists()
    whole = json.loads((output / "summary.json").read_text())
    assert (whole["shards"], whole["rows"], whole["errors"], whole["chunks"]) == (2, 6, 1, 4)
    before = _contents(output)
    assert caption("2/2") == (1, 1, 1)
    assert caption("1/3") == (1, 5, 0)
    assert caption(None) == (2, 6, 1)
    assert _contents(output) == before


def test_a_partition_leaves_what_others_are_writing(tmp_path: Path, source: str, small_bundle: Path) -> None:
    output = tmp_path / "run"
    folder = _begin(source, output, small_bundle)
    facts = folder.recorded()
    assert facts is not None
    names = [f".{name}.0123.tmp" for name in folder.captions.names()]
    for name in names:
        (output / "captions" / name).touch()
        os.utime(output / "captions" / name, (0, 0))
    folder.begin(facts, {shard_file_stem("s-1.tar")})
    left = {path.name for path in (output / "captions").glob(".*.tmp")}
    assert left == {name for name in names if name.startswith(".s-0-")}


def test_a_run_whose_time_is_spent_ends_with_whole_files_and_resumes(
    tmp_path: Path, source: str, small_bundle: Path
) -> None:
    whole, output = tmp_path / "whole", tmp_path / "run"

    def caption(budget: Budget | None, output: Path = output) -> Summary:
        return caption_archive(source, str(output), str(small_bundle), CONFIG, local=True, budget=budget)

    looks = itertools.count()
    all_done = caption(Budget("5s", clock=lambda: next(looks)), whole)
    assert all_done.stopped is None  # the fifth look would be at the last of four files

    looks = itertools.count()
    stopped = caption(Budget("3s", clock=lambda: next(looks)))
    assert (stopped.stopped, stopped.chunks) == ("3 s passed (--stop-after 3s)", 2)
    assert (stopped.rows, stopped.new_rows, stopped.shards_left) == (4, 4, 2)
    assert len(file_hashes(output)) == 2
    assert file_hashes(output).items() < file_hashes(whole).items()
    assert not [path for path in output.rglob("*") if path.name in ("_SUCCESS", "summary.json")]
    done = caption(None)
    assert (done.stopped, done.rows, done.new_rows) == (None, 6, 2)
    assert file_hashes(output) == file_hashes(whole)
    assert (output / "_SUCCESS").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda model: (model / "adaptor.safetensors").unlink(), r"adaptor\.safetensors is missing"),
        (lambda model: (model / "clip/open_clip_config.json").unlink(), r"clip_config\.json is missing"),
        (lambda model: _set_clip(model, "ViT-Z-99"), r"CLIP 'ViT-Z-99' is neither a folder nor a name"),
    ],
)
def test_a_bundle_that_lacks_a_part_is_refused_before_anything_is_written(
    tmp_path: Path, source: str, small_bundle: Path, damage: Callable[[Path], None], message: str
) -> None:
    model, output = tmp_path / "model", tmp_path / "run"
    shutil.copytree(small_bundle, model)
    damage(model)
    with pytest.raises(UserError, match=message):
        caption_archive(source, str(output), str(model), CONFIG)
    assert not output.exists()


def _set_clip(model: Path, name: str) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "clip": {"name": name, "pretrained": "openai"}}))


def test_in_half_precision_the_batch_is_a_fact_and_the_promise_says_so(
    source: str, small_bundle: Path
) -> None:
    bundle, plan = open_bundle(str(small_bundle)), plan_source(source)
    config = CaptionJobConfig(candidate_batch=5)
    whole = run_facts(source, plan, str(small_bundle), bundle, config, "float32")
    half = run_facts(source, plan, str(small_bundle), bundle, config, "bfloat16")
    assert (whole.candidate_batch, half.candidate_batch) == (None, 5)
    assert "one candidate_batch" in half.same_caption
    assert "same_caption" not in half.for_footer()
