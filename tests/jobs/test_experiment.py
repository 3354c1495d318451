"""`maccap experiment`: every experiment of the paper from tiny official files to its table."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from jobs.experiment import main
from pipeline.experiments.registry import EXPERIMENTS, Experiment
from pipeline.storage.errors import UserError
from tests.pipeline.experiments.official_files import TEST_IMAGES, write_official_files

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="coco-caption's programs need Java")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_official_files(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all experiments, so that they share their bundles."""
    return tmp_path_factory.mktemp("output")


@pytest.fixture
def options(data: Path, output: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("MACCAP_CACHE", str(output / "cache"))
    towers = {"clip": str(small_bundle / "clip"), "llm": str(small_bundle / "llm")}
    return {"data": data, "output": output / "experiments", "local": True, "epochs": 1.0, **towers}


@needs_java
def test_captions_are_scored_beside_published_scores(
    options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    main("coco", **options)
    *lines, last = capsys.readouterr().out.splitlines()
    found = json.loads(last)
    own, paper, *_ = found["rows"]
    assert (own["method"], paper["method"], paper["scores"]) == ("this run", "MacCap", {})
    assert own["scores"].keys() == {"BLEU-4", "METEOR", "CIDEr"}
    assert "Not the authors' setting: epochs: 1 in place of 8." in lines
    assert any(line.startswith("IFCap") and "108.0" in line for line in lines)
    folder = options["output"] / "coco"
    assert json.loads((folder / "results.json").read_text()) == found
    assert (folder / "results.txt").read_text().splitlines() == lines[:-1]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_every_experiment_runs_from_its_files_to_its_table(
    experiment: Experiment,
    options: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Without Java, whose programs would take most of the time; of VQAv2 the first images."""
    monkeypatch.setenv("PATH", str(tmp_path))
    limit = 2 if experiment.name == "vqav2" else None
    bundle = options["output"] / "bundles" / experiment.texts.name / "summary.json"
    trained_before = bundle.stat().st_mtime_ns if bundle.exists() else None
    main(experiment.name, **options, limit=limit)
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["images"], found["without_caption"]) == (limit or TEST_IMAGES, 0)
    if experiment.name == "vqav2":
        assert found["rows"][0]["scores"].keys() == {"accuracy", "yes/no", "other"}
        assert found["not_computed"]["number"].startswith("too few images or questions")
    else:
        assert "Java" in found["not_computed"]["CIDEr-D"]
    names = {path.name for path in (options["output"] / experiment.name).iterdir()}
    assert names == {"images.json", "run", "evaluation.json", "results.json", "results.md", "results.txt"}
    assert trained_before in (None, bundle.stat().st_mtime_ns)  # once for all experiments of its domain


def test_the_same_command_resumes_and_another_setting_is_refused(
    options: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    main("flickr30k", **options)
    first = capsys.readouterr().out
    main("flickr30k", **options)
    assert capsys.readouterr().out == first
    with pytest.raises(UserError, match="steps"):
        main("flickr30k", **{**options, "epochs": 3.0})
    with pytest.raises(UserError, match="limit"):
        main("flickr30k", **options, limit=2)


def test_the_list_and_the_check(
    options: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(list_them=True)
    assert len(capsys.readouterr().out.splitlines()) == len(EXPERIMENTS)
    main("coco", check=True, **options)
    assert all(line.startswith(("found", "not here")) for line in capsys.readouterr().out.splitlines())
    with pytest.raises(UserError, match=r"dataset_flickr30k.json: caption_datasets.zip"):
        main("flickr30k", check=True, **{**options, "data": tmp_path})
    assert "MISSING  flickr30k-images: on request" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        (None, {}, "--list names"),
        ("imagenet", {}, "no experiment imagenet: choose one of coco"),
        ("coco", {"epochs": 0.0}, "--epochs 0: give a number above 0"),
        ("coco", {"clip": None, "pretrained": "openai"}, "give that too"),
        ("coco", {"data": Path("nowhere")}, "nowhere is no folder"),
        ("coco", {"clip": None, "llm": "facebook/opt-of-no-size"}, "hf download facebook/opt-of-no-size"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(
    name: str | None, changed: dict[str, Any], message: str, options: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        main(name, **{**options, "output": tmp_path / "new", **changed})
    assert not (tmp_path / "new").exists()
