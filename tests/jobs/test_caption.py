"""`maccap caption` as a person runs it: a process of its own, a real Ray, a tiny random model."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from jobs.caption import main
from pipeline.chunk import chunk_file_name
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.execution.in_process import caption_in_process
from pipeline.prepare import open_bundle, run_facts
from pipeline.quality.flags import flags_of
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import RunFolder
from pipeline.sources import plan_source
from pipeline.stages.registry import stages_of
from pipeline.stages.steps import resources_for
from pipeline.storage.errors import UserError
from pipeline.verify import verify_run
from tests.commands import ctrl_c, interrupted, maccap, run, run_here
from tests.images import BAD_FILES, encoded, picture, write_shard, write_tar
from tests.jobs.conftest import Command, Finished
from tests.tables import differences, file_hashes, table_of

CAPTIONING = stages_of(("caption",))

GOOD_SAMPLES = 48  # enough that a run is stopped long before its end, on a busy machine too


def _chunk_names(output: Path) -> set[str]:
    with contextlib.suppress(FileNotFoundError):
        return {name for name in os.listdir(output / "captions") if name.endswith(".parquet")}  # noqa: PTH208
    return set()


def _contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_a_hostile_archive_is_captioned_row_by_row(
    finished: Finished,
) -> None:
    output, done = finished
    assert "Traceback" not in done.stderr
    rows = pq.read_table(output / "captions").to_pylist()
    ids = [row["image_id"] for row in rows]
    assert len(set(ids)) == len(ids)
    assert sum(image_id.startswith("scenes-000/") for image_id in ids) == GOOD_SAMPLES
    assert {"scenes-003/same", "scenes-003/same#2", "scenes-002.tar", "scenes-005.tar"} <= set(ids)
    errors = {row["image_id"]: row["error"] for row in rows if row["error"]}
    bad_images = [image_id for image_id in errors if "-bad-" in image_id]
    assert len(bad_images) == len(BAD_FILES)
    others = set(errors) - set(bad_images)
    assert others == {"scenes-002.tar", "scenes-003/meta-only", "scenes-005.tar"}
    assert all((row["caption"] is None) == (row["error"] is not None) for row in rows)


def test_the_counts_add_up(finished: Finished) -> None:
    output, done = finished
    summary = json.loads(done.stdout.splitlines()[-1])
    rows = pq.read_table(output / "captions").to_pylist()
    errors = sum(row["error"] is not None for row in rows)
    assert summary["rows"] == summary["new_rows"] == len(rows)
    assert (summary["errors"], summary["captioned"]) == (errors, len(rows) - errors)
    assert summary["chunks"] == len(file_hashes(output))
    assert summary == json.loads((output / "summary.json").read_text())
    assert (output / "_SUCCESS").exists()


def test_stopped_and_killed_runs_resume_to_the_same_table(
    tmp_path: Path,
    command: Command,
    finished: Finished,
) -> None:
    expected = file_hashes(finished[0])
    output = tmp_path / "run"

    stopped = _stop_after(command(output), output, 2, signal.SIGINT)
    assert stopped.returncode == 130, stopped.stderr
    assert "the same command resumes" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    after_stop = _chunk_names(output)
    assert len(after_stop) >= 2
    assert not (output / "_SUCCESS").exists()

    killed = _stop_after(command(output), output, len(after_stop) + 2, signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    assert _chunk_names(output) > after_stop
    assert not (output / "_SUCCESS").exists()

    resumed = run(command(output))
    assert resumed.returncode == 0, resumed.stderr
    assert file_hashes(output) == expected
    assert not [path for path in (output / "captions").iterdir() if path.suffix != ".parquet"]
    summary = json.loads(resumed.stdout.splitlines()[-1])
    assert summary["new_rows"] < summary["rows"] == pq.read_table(output / "captions").num_rows


def test_other_batches_chunks_and_actors_give_the_same_rows(
    tmp_path: Path, command: Command, finished: Finished
) -> None:
    one = resources_for(CAPTIONING, 1, 0)
    actors = {"features": 2, "candidates": 2, "rerank": 1}
    crowd = {
        stage: {**one.stages[stage].model_dump(), "num_cpus": 0.05, "actors": count}
        for stage, count in actors.items()
    }
    sizes = {"feature_batch": 7, "candidate_batch": 3, "rerank_batch": 5}
    config = tmp_path / "job.json"
    config.write_text(json.dumps({"resources": {**one.model_dump(exclude_unset=True), **crowd}, **sizes}))
    output = tmp_path / "run"
    done = run(command(output, "--config", str(config), "--chunk-rows", "3"))
    assert done.returncode == 0, done.stderr
    assert differences(table_of(str(finished[0])), table_of(str(output))) == []


def _stop_after(
    arguments: list[str], output: Path, files: int, how: signal.Signals
) -> subprocess.CompletedProcess[str]:
    """Start, wait for `files` chunks, send a signal."""
    return interrupted(
        arguments,
        lambda: len(_chunk_names(output)) >= files,
        ctrl_c if how == signal.SIGINT else lambda process: process.send_signal(how),
    )


def test_a_finished_run_again_changes_nothing(finished: Finished, command: Command) -> None:
    output, _ = finished
    before = _contents(output)
    again = run_here(command(output))
    assert again.returncode == 0, again.stderr
    stored = json.loads((output / "summary.json").read_text())
    assert json.loads(again.stdout.splitlines()[-1]) == {**stored, "new_rows": 0, "measured": {}}
    assert _contents(output) == before


def test_other_settings_are_refused_with_what_differs(
    finished: Finished, command: Command, tmp_path: Path, small_bundle: Path
) -> None:
    output, _ = finished
    before = file_hashes(output)
    other_model = shutil.copytree(small_bundle, tmp_path / "other")
    config = json.loads((other_model / "config.json").read_text())
    (other_model / "config.json").write_text(json.dumps({**config, "noise_variance": 0.5}))
    for options, message in [
        (["--seed", "1"], "seed: was 0, now 1"),
        (["--candidates", "2"], "decoding.candidates: was 4, now 2"),
        (["--model", str(other_model)], "model_fingerprint: was "),
    ]:
        refused = run_here(command(output, *options))
        assert (refused.returncode, refused.stdout) == (2, "")
        assert message in refused.stderr
        assert "choose another OUTPUT" in refused.stderr
    assert file_hashes(output) == before


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("nowhere", [], "does not exist"),
        ("empty", [], "is empty"),
        ("*.tar", [], "matches no tar"),
        ("one.jpg", ["--model", "no-such-bundle"], "no-such-bundle"),
        ("one.jpg", ["--config", "job.yaml"], "unknown key `sead`"),
        ("one.jpg", ["--chunk-rows", "0"], "chunk_rows"),
    ],
)
def test_a_users_mistake_is_one_clear_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small_bundle: Path,
    source: str,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "job.yaml").write_text("sead: 1\n")
    (tmp_path / "one.jpg").write_bytes(encoded(picture()))
    refused = run_here(maccap("caption", source, "out", "--model", small_bundle, *options))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def one_image(tmp_path: Path) -> str:
    return str(write_shard(tmp_path / "one.tar", 1))


def test_a_stage_that_cannot_start_says_why_on_one_line(
    tmp_path: Path, one_image: str, small_bundle: Path
) -> None:
    model = shutil.copytree(small_bundle, tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    config["adaptor"]["llm_dim"] *= 2
    (model / "config.json").write_text(json.dumps(config))
    broken = run(maccap("caption", one_image, tmp_path / "run", "--model", model))
    _check_breaks(broken, "adaptor.safetensors does not fit `adaptor` in config.json")


def test_a_file_in_the_way_is_named_on_one_line(tmp_path: Path, one_image: str, small_bundle: Path) -> None:
    source, output, model = one_image, tmp_path / "run", str(small_bundle)
    bundle, plan = open_bundle(model), plan_source(source)
    facts = run_facts(source, plan, model, bundle, CaptionJobConfig(), "float32")
    folder = RunFolder(str(output))
    folder.begin(facts)
    folder.pin(plan.shards)
    in_the_way = output / "captions" / chunk_file_name("one.tar", 0)
    in_the_way.mkdir()
    broken = run_here(maccap("caption", source, output, "--model", model, "--local"))
    _check_breaks(broken, ".00000.parquet cannot be read: ")


def _check_breaks(broken: subprocess.CompletedProcess[str], message: str) -> None:
    assert broken.returncode == 1, broken.stderr
    assert "Traceback" not in broken.stderr
    assert broken.stdout == ""
    taken, *told = [line for line in broken.stderr.splitlines() if not line.startswith('{"progress"')]
    assert taken.startswith("SOURCE ")
    assert len(told) == 1, broken.stderr
    assert told[0].startswith("the run broke: ")
    assert message in told[0]


def test_errors_are_retried_on_demand(tmp_path: Path, small_bundle: Path) -> None:
    """A shard that was away comes back; chunks without errors are not touched."""
    tars, output = tmp_path / "tars", tmp_path / "run"
    write_shard(tars / "s-0.tar", 5)
    source, model = str(tars / "s-{0,1}.tar"), str(small_bundle)
    config, bundle, plan = CaptionJobConfig(chunk_rows=2), open_bundle(model), plan_source(source)
    facts = run_facts(source, plan, model, bundle, config, "float32")
    folder = RunFolder(str(output))
    folder.begin(facts)
    folder.pin(plan.shards)
    stages = CaptionStages(str(output), bundle.pixel_spec(), facts, config)
    results = list(caption_in_process(stages, [ShardWork(shard) for shard in plan.shards]))
    assert [result.errors for result in results] == [0, 0, 0, 1]
    before = {path: path.stat().st_mtime_ns for path in output.glob("captions/s-0-*")}
    write_shard(tars / "s-1.tar", 5)
    options = ["--model", model, "--chunk-rows", 2, "--retry-errors", "--local"]
    again = run_here(maccap("caption", source, output, *options))
    assert again.returncode == 0, again.stderr
    summary = json.loads(again.stdout.splitlines()[-1])
    assert (summary["rows"], summary["new_rows"], summary["errors"]) == (10, 5, 0)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_captions_that_are_there_are_kept_and_scored(tmp_path: Path, small_bundle: Path) -> None:
    members = []
    for number in range(6):
        members.append((f"{number}.jpg", b"broken" if number == 5 else encoded(picture(number))))
        if number % 2:
            members.append((f"{number}.txt", f"a dog {number}\n".encode()))
    write_tar(tmp_path / "a.tar", members)

    def captioned(name: str, *options: str) -> list[dict]:
        output = tmp_path / name
        settings = ["--existing-caption", ".txt", "--model", str(small_bundle), "--local", *options]
        done = run_here(maccap("caption", tmp_path / "a.tar", output, *settings))
        assert done.returncode == 0, done.stderr
        assert "3 images came with a caption" in done.stderr
        assert json.loads(run_here(maccap("verify", output)).stdout.splitlines()[-1])["ok"]
        return table_of(str(output)).to_pylist()

    both = captioned("both")
    assert [row["original_caption"] for row in both] == [None, "a dog 1", None, "a dog 3", None, "a dog 5"]
    scores = [row["original_clip_score"] for row in both]
    assert [score is None for score in scores] == [True, False, True, False, True, True]
    assert [row["caption"] is None for row in both] == [False] * 5 + [True]

    missing = captioned("missing", "--only-missing")
    assert [row["caption"] is None for row in missing] == [False, True, False, True, False, True]
    assert [row["error"] is None for row in missing] == [True] * 5 + [False]
    assert [row["caption"] for row in missing][::2] == [row["caption"] for row in both][::2]
    assert json.loads((tmp_path / "missing" / "summary.json").read_text())["captioned"] == 3

    between = (scores[1] + scores[3]) / 2
    below = captioned("below", "--only-below", str(between))
    assert [row["caption"] is None for row in below] == [
        *(False, scores[1] >= between, False, scores[3] >= between, False, True)
    ]


def test_only_some_captions_of_none_are_refused(tmp_path: Path, command: Command) -> None:
    done = run_here(command(tmp_path / "run", "--only-missing"))
    assert done.returncode == 2
    assert "go with existing_caption" in done.stderr


def test_hashes_scores_and_flags_are_columns_that_a_resume_keeps_to(
    tmp_path: Path, small_bundle: Path
) -> None:
    write_shard(tmp_path / "a.tar", 3)
    source, output, model = str(tmp_path / "a.tar"), tmp_path / "run", str(small_bundle)
    width = open_bundle(model).config.adaptor.clip_dim
    head = tmp_path / "head.safetensors"
    save_file({"weight": np.ones((1, width), np.float32), "bias": np.zeros(1, np.float32)}, head)
    options = {"model": model, "chunk_rows": 2, "local": True, "hashes": True}
    main(source, str(output), score_head=[f"sum={head}"], keep_features=True, **options)
    rows = table_of(str(output)).to_pylist()
    assert [len(row["sha256"]) for row in rows] == [64] * 3
    assert len({row["phash"] for row in rows}) == 3
    assert [row["flags"] for row in rows] == [flags_of(row["caption"]) for row in rows]
    for row in rows:
        assert dict(row["scores"]) == {"sum": pytest.approx(sum(map(float, row["global"])), abs=1e-4)}
    flags = json.loads((output / "summary.json").read_text())["flags"]
    assert flags == Counter(flag for row in rows for flag in row["flags"])
    problems: list[str] = []
    verify_run(str(output), True, problems.append, nullcontext)
    assert problems == []

    before = file_hashes(output)
    next(output.glob("captions/*.00001.parquet")).unlink()
    moved = head.rename(tmp_path / "moved.safetensors")
    main(source, str(output), score_head=[f"sum={moved}"], keep_features=True, **options)
    assert file_hashes(output) == before
    with pytest.raises(UserError, match="stages: was decode, hashes, features, score_heads, candidates"):
        main(source, str(output), keep_features=True, **options)
    save_file({"weight": np.zeros((1, width), np.float32)}, moved)
    with pytest.raises(UserError, match="score_head_fingerprints: was"):
        main(source, str(output), score_head=[f"sum={moved}"], keep_features=True, **options)
    save_file({"weight": np.zeros((1, width + 1), np.float32)}, moved)
    with pytest.raises(UserError, match=f"for features {width + 1} wide, and those of .* are {width}"):
        main(source, str(tmp_path / "other"), score_head=[f"sum={moved}"], **options)
    assert not (tmp_path / "other").exists()
    with pytest.raises(UserError, match="--score-head sum: give NAME=FILE"):
        main(source, str(tmp_path / "other"), score_head=["sum"], **options)


def test_a_run_that_was_begun_without_flags_resumes_without(tmp_path: Path, small_bundle: Path) -> None:
    write_shard(tmp_path / "a.tar", 3)
    source, output, model = str(tmp_path / "a.tar"), tmp_path / "run", str(small_bundle)
    main(source, str(output), model=model, chunk_rows=2, local=True, flags=False)
    assert "flags" not in json.loads((output / "summary.json").read_text())
    before = file_hashes(output)
    next(output.glob("captions/*.00001.parquet")).unlink()
    main(source, str(output), model=model, chunk_rows=2, local=True)
    assert file_hashes(output) == before
    with pytest.raises(UserError, match=r"stages: was decode, features, candidates, rerank, now .*, flags"):
        main(source, str(output), model=model, chunk_rows=2, local=True, flags=True)


def test_a_dry_run_tells_and_writes_nothing_and_a_stopped_run_says_what_is_left(
    tmp_path: Path, small_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shard(tmp_path / "a.tar", 3)
    source, output = str(tmp_path / "a.tar"), tmp_path / "run"
    options = {"model": str(small_bundle), "chunk_rows": 2, "local": True}
    main(source, str(output), dry_run=True, **options)
    told = capsys.readouterr().out.splitlines()
    assert json.loads(told[-1])["facts"]["chunk_rows"] == 2
    assert "shards_left: 1" in told
    assert not output.exists()
    main(source, str(output), stop_after="0.001s", **options)
    stopped = capsys.readouterr()
    summary = json.loads(stopped.out.splitlines()[-1])
    assert "(--stop-after 0.001s)" in summary["stopped"]
    assert (summary["rows"], summary["shards_left"]) == (0, 1)
    assert "left: in 1 of 1 shards. The same command resumes" in stopped.err
    assert not (output / "_SUCCESS").exists()
    main(source, str(output), **options)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["rows"] == 3
    with pytest.raises(UserError, match="--max-cost needs a price"):
        main(source, str(output), max_cost=5.0, **options)


def test_a_prompt_is_recorded_and_no_prompt_leaves_no_trace(tmp_path: Path, small_bundle: Path) -> None:
    write_shard(tmp_path / "a.tar", 2)

    def captioned(name: str, *options: str) -> tuple[dict, list[dict]]:
        settings = ["--model", str(small_bundle), "--local", *options]
        done = run_here(maccap("caption", tmp_path / "a.tar", tmp_path / name, *settings))
        assert done.returncode == 0, done.stderr
        (file,) = (tmp_path / name / "captions").iterdir()
        return json.loads(pq.read_metadata(file).metadata[b"maccap.run"]), pq.read_table(file).to_pylist()

    facts, plain = captioned("plain")
    assert not {"prompt", "asking", "questions", "existing_caption", "only_missing", "join_on"} & facts.keys()
    assert "length_penalty" not in facts["decoding"]
    facts, prompted = captioned("prompted", "--prompt", "a dog", "--drop-prompt")
    assert facts["prompt"] == {"text": "a dog", "template": "{prompt}", "keep": False}
    assert [row["caption"] for row in prompted] != [row["caption"] for row in plain]
    _, kept = captioned("kept", "--prompt", "a dog")
    assert all(row["caption"].startswith("a dog") for row in kept)
