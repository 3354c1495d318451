"""Also for benchmark_training.py: `maccap benchmark` as a person runs it, on a tiny model and a real Ray."""

import json
from pathlib import Path

import pytest

from jobs.benchmark import main
from jobs.benchmark_training import main as training
from pipeline.storage.errors import UserError
from tests.commands import maccap, run_here


def test_the_last_line_is_json_and_tables_stand_above(small_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    sizes = ("--images", "8", "--rounds", "1", "--candidates", "2", "--new-tokens", "4", "--image-size", "64")
    command = maccap("benchmark", "--model", small_bundle, *sizes, "--json", file)
    done = run_here(command)
    assert done.returncode == 0, done.stderr
    *tables, line = done.stdout.splitlines()
    assert json.loads(line) == json.loads(file.read_text())
    report = json.loads(line)
    assert report["measured"]["images"] == 8
    assert len(report["ways"]) == 4
    assert all(way["images_per_second"] > 0 and way["peak"]["memory_mb"] > 100 for way in report["ways"])
    assert report["ways"][0]["times_beams"] == report["ways"][1]["times_sampling"] == 1
    assert report["ray"]["memory_mb"] > report["ways"][2]["peak"]["memory_mb"]
    assert any("baseline, 4 beams" in row for row in tables)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip": "ViT-Q-9"}, "--clip ViT-Q-9 is no model of open_clip"),
        ({"llm": "opt-9t"}, "choose one of opt-125m"),
        ({"growth": "10,many"}, "--growth 10,many is no list of numbers"),
        ({"model": "nowhere"}, "model nowhere cannot be opened"),
    ],
)
def test_mistakes_are_named_before_anything_runs(options: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        main(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip": "ViT-Q-9"}, "--clip ViT-Q-9 is no model of open_clip"),
        ({"llm": "opt-9t"}, "choose one of opt-125m"),
        ({}, "1 captions are too few to time"),
    ],
)
def test_mistakes_of_the_training_benchmark(options: dict[str, str], message: str, tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text("a red dog\n")
    with pytest.raises(UserError, match=message):
        training([str(tmp_path / "captions.txt")], **options)  # type: ignore[arg-type]
