"""CONTRIBUTING.md's stage, source and engine, put into a copy of the code as a reader would, and run."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.commands import REPOSITORY, environment, maccap, run_here
from tests.images import encoded, picture, write_shard

_BLOCK = re.compile(r"^```(python|diff)\n(.*?)^```", re.MULTILINE | re.DOTALL)
IMAGES = 5

Here = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def blocks() -> dict[str, list[tuple[str, str]]]:
    """The code of each section: kind, and text."""
    sections = re.split(r"^## ", (REPOSITORY / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)
    return {section.split("\n")[0]: _BLOCK.findall(section) for section in sections}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory, blocks: dict[str, list[tuple[str, str]]]) -> Path:
    """The packages with all three additions: each is one new file, and a change of one other."""
    folder = tmp_path_factory.mktemp("copy")
    for package in ("maccap", "pipeline", "jobs"):
        shutil.copytree(REPOSITORY / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for section in ("Add a stage", "Add a source", "Add an engine"):
        (_, new), (_, registration) = blocks[section]
        path = folder / new.split("\n")[0].removeprefix("# ")
        assert not path.exists()
        path.write_text(new.split("\n", 1)[1])
        _patch(folder, registration)
    return folder


def _patch(folder: Path, diff: str) -> None:
    # a line of context is enough: others register theirs beside it
    subprocess.run(["git", "apply", "-C1", "-"], cwd=folder, input=diff, text=True, check=True)


def _run(copy: Path, module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        check=False,
        cwd=copy,
        env={**environment(), "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done


_SERVES = """
import json, sys
from tests.commands import run_here

for line in sys.stdin:
    done = run_here(json.loads(line))
    print(json.dumps([done.returncode, done.stdout, done.stderr]), flush=True)
"""


@pytest.fixture(scope="module")
def here(copy: Path) -> Iterator[Here]:
    """Commands of the copy that start no Ray, one after another in one process."""
    path = os.pathsep.join([str(copy), str(REPOSITORY)])  # the second for the tests alone
    with subprocess.Popen(
        [sys.executable, "-c", _SERVES],
        cwd=copy,
        env={**environment(), "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        asked, answers = server.stdin, server.stdout
        assert asked is not None
        assert answers is not None

        def call(*arguments: object) -> subprocess.CompletedProcess[str]:
            command = maccap(*arguments)
            print(json.dumps(command), file=asked, flush=True)
            return subprocess.CompletedProcess(command, *json.loads(answers.readline()))

        yield call


def test_the_new_files_are_as_clean_as_the_rest(copy: Path) -> None:
    files = ["pipeline/stages/mean_brightness.py", "pipeline/sources/jsonl_manifest.py"]
    files += ["maccap/text/fixed_text_engine.py"]
    ruff = ["-m", "ruff", "check", "--config", str(REPOSITORY / "pyproject.toml"), *files]
    done = subprocess.run([sys.executable, *ruff], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_stage_is_in_the_table_in_verify_and_survives_a_resume(
    copy: Path, here: Here, small_bundle: Path, tmp_path: Path
) -> None:
    write_shard(tmp_path / "a.tar", IMAGES)
    write_shard(tmp_path / "b.tar", IMAGES, 100)
    (tmp_path / "job.yaml").write_text("chunk_rows: 2\ndecoding: {candidates: 2}\n")
    source, output = tmp_path / "{a,b}.tar", tmp_path / "run"
    options = ["--model", small_bundle, "--config", tmp_path / "job.yaml"]
    _run(copy, "jobs.caption", source, output, *options)  # on a real Ray
    table = pq.read_table(output / "captions")
    brightness = table["brightness"].to_pylist()
    assert len({round(value, 4) for value in brightness}) == 2 * IMAGES
    assert all(0 < value < 1 for value in brightness)
    files = {path.name: path.read_bytes() for path in (output / "captions").iterdir()}
    for name in sorted(files)[::2]:
        (output / "captions" / name).unlink()
    resumed = here("caption", source, output, *options, "--local")
    assert resumed.returncode == 0, resumed.stderr
    assert pq.read_table(output / "captions").num_rows == 2 * IMAGES
    assert {path.name for path in (output / "captions").iterdir()} == files.keys()
    assert pq.read_table(output / "captions")["brightness"].to_pylist() == pytest.approx(brightness)
    assert json.loads(here("verify", output).stdout.splitlines()[-1])["ok"]
    assert "brightness" in json.loads((output / "run.json").read_text())["stages"]


def test_a_run_of_other_stages_is_refused_by_name(here: Here, small_bundle: Path, tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", 2)
    command = ["caption", tmp_path / "a.tar", tmp_path / "run", "--model", small_bundle, "--local"]
    assert run_here(maccap(*command)).returncode == 0  # of the code as it is
    done = here(*command)
    assert done.returncode == 2
    assert "stages: was decode, features, candidates, rerank, flags, now" in done.stderr


def test_a_stage_is_in_the_benchmark_and_in_the_documentation(copy: Path, small_bundle: Path) -> None:
    program = """
import sys, tempfile
from pathlib import Path
from maccap.config import DecodingConfig
from maccap.scenes.world.archive import ArchiveConfig, write_archive
from pipeline.benchmark import machine, stages_alone
from pipeline.benchmark.setup import Setup
from pipeline.stages.documentation import columns_table
machine._SECONDS = 0.02
assert "`brightness`" in columns_table()
with tempfile.TemporaryDirectory() as folder:
    list(write_archive(Path(folder) / "scenes", ArchiveConfig(split="test", count=2, seed=0)))
    setup = Setup(model=sys.argv[1], source=f"{folder}/scenes", warm_up="", work=folder,
                  decoding=DecodingConfig(candidates=2, max_new_tokens=4), gpu=False, precision="float32")
    print([stage.stage for stage in stages_alone._measure(setup).stages])
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(small_bundle)],
        check=False,
        cwd=copy,
        env={**environment(), "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "'CLIP image tower and regions', 'mean brightness', 'adaptor'" in done.stdout


def test_a_source_of_one_file_and_one_line(here: Here, small_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    entries = []
    for number in range(3):
        (tmp_path / "photos" / f"{number}.jpg").write_bytes(encoded(picture(number)))
        entries.append({"path": f"photos/{number}.jpg", "id": f"image {number}", "licence": "mine"})
    entries += [entries[0], {"path": "../outside.jpg", "id": "outside"}, {"path": "no id"}]
    lines = [json.dumps(entry) for entry in entries]
    (tmp_path / "list.jsonl").write_bytes(("\n".join(lines) + "\n").encode() + b"\xff\n")
    output = tmp_path / "run"
    done = here("caption", tmp_path / "list.jsonl", output, "--model", small_bundle, "--local")
    assert "is taken for 1 jsonl manifest" in done.stderr
    rows = pq.read_table(output / "captions").to_pylist()
    ids = ["image 0", "image 1", "image 2", "image 0#2", "line 5", "line 6", "line 7"]
    assert [row["image_id"] for row in rows] == ids
    assert [row["error"] is None for row in rows] == [True] * 4 + [False] * 3
    assert json.loads(rows[0]["metadata"]) == {"licence": "mine"}
    assert json.loads(here("verify", output).stdout.splitlines()[-1])["ok"]


def test_an_engine_of_one_file_and_one_line(here: Here, small_bundle: Path, tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", 2)
    (tmp_path / "job.yaml").write_text("engine: fixed-text\n")
    options = ["--model", small_bundle, "--config", tmp_path / "job.yaml", "--local"]
    question = ["--caption", "--question", "What is this?"]
    done = here("ask", tmp_path / "a.tar", tmp_path / "run", *question, *options)
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(tmp_path / "run" / "captions").to_pylist()
    said = {(row["caption"], answer["answer"]) for row in rows for answer in row["answers"]}
    assert said == {("an image", "an image")}
    assert json.loads((tmp_path / "run" / "run.json").read_text())["engine"] == "fixed-text"
