"""`maccap analyze` on rendered scenes: in this process, and the same through Ray."""

import json
from pathlib import Path

import pytest

from jobs.analyze import main
from jobs.scenes import write_scenes
from maccap.scenes.world.archive import ArchiveConfig
from tests.commands import maccap, run, run_here

SCENES = 24


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, ArchiveConfig(split="test", count=SCENES, seed=1, size=64, per_shard=10))
    return folder


def test_the_same_is_found_in_this_process_and_on_ray(
    scenes: Path, small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(str(scenes), str(tmp_path / "local"), model=str(small_bundle), local=True)
    printed = capsys.readouterr()
    last = json.loads(printed.out.splitlines()[-1])
    assert last["counts"]["images"] == SCENES
    assert last["counts"]["pairs"] > 4 * SCENES
    assert {*last["outcomes"].values()} == {"cannot be told"}  # 24 images are too few
    assert "A caption is closer to a region than to the whole image" in printed.out
    assert "3 tars" in printed.err

    done = run(maccap("analyze", scenes, tmp_path / "ray", "--model", small_bundle))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == last
    assert '"progress"' in done.stderr
    local, ray = (
        json.loads((tmp_path / name / "analysis.json").read_text())["findings"] for name in ("local", "ray")
    )
    assert ray["counts"] == local["counts"]
    for name in ("means", "variances"):
        assert ray["gap"][name] == pytest.approx(local["gap"][name], abs=1e-6)
    assert ray["regions"]["attention"]["own"]["rank_cosine"] == pytest.approx(
        local["regions"]["attention"]["own"]["rank_cosine"], abs=1e-6
    )


def test_a_mistake_is_one_message(scenes: Path, small_bundle: Path, tmp_path: Path) -> None:
    arguments = ["analyze", scenes, tmp_path / "out", "--model", small_bundle, "--captions", "alt", "--local"]
    done = run_here(maccap(*arguments))
    assert done.returncode == 2
    assert "error: SOURCE" in done.stderr
    assert "The fields there are: background, captions, objects, relations, unseen_pair" in done.stderr
    assert "Traceback" not in done.stderr
