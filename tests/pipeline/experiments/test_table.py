"""Scores in percent beside published ones, of all images and of their groups."""

import json

import pytest

from pipeline.evaluate.result import Evaluation, Group, Score
from pipeline.experiments.registry import find_experiment
from pipeline.experiments.table import Results, as_markdown, as_text, results, written

CIDER = "CIDEr-D"


@pytest.fixture
def found() -> Results:
    """NoCaps without images of one domain, and one row without a caption."""
    evaluation = Evaluation(
        run="a/run",
        images=300,
        without_caption=1,
        scores={CIDER: Score(value=0.5, low=0.45, high=0.551), "BLEU-4": Score(value=0.1)},
        groups={
            "in-domain": Group(images=200, scores={CIDER: Score(value=0.25, low=0.2, high=0.3)}),
            "near-domain": Group(images=100, scores={CIDER: Score(value=None)}),
        },
        not_computed={"METEOR": "its Java program failed"},
        remarks=["known"],
        references="r.json",
        seed=0,
        bootstrap_samples=1000,
    )
    return results(find_experiment("nocaps"), evaluation, ["epochs: 1 in place of 8"])


def test_columns_are_of_the_benchmark_and_its_groups(found: Results) -> None:
    assert found.columns == ["CIDEr in", "CIDEr near", "CIDEr out", "CIDEr all"]
    own, maccap, decap, *_ = found.rows
    assert own.scores["CIDEr all"].model_dump() == pytest.approx({"value": 50, "low": 45, "high": 55.1})
    assert own.scores["CIDEr in"].value == 25
    assert own.scores["CIDEr near"].value is None
    assert maccap.scores == {}
    assert decap.scores["CIDEr out"] == Score(value=25.8)
    assert found.not_computed["CIDEr out"] == "too few images or questions of this kind were scored"


def test_text_and_markdown(found: Results) -> None:
    lines = as_text(found).splitlines()
    assert lines[0] == "nocaps: trained on dataset_coco.json, NoCaps, validation, 300 images"
    own = next(line for line in lines if line.startswith("this run"))
    assert own.split("  ")[-1] == "a/run"
    assert "25.0 (20.0 to 30.0)" in own
    assert lines[lines.index(next(line for line in lines if line.startswith("IFCap"))) + 2 :] == [
        "Not the authors' setting: epochs: 1 in place of 8.",
        "Images without a caption, scored as empty: 1.",
        "Not computed: METEOR: its Java program failed.",
        "Not computed: CIDEr out: too few images or questions of this kind were scored.",
        "known.",
        "In brackets: 95 % intervals over the images.",
    ]
    rows = [line for line in as_markdown(found).splitlines() if line.startswith("|")]
    assert rows[1] == "| --- | ---: | ---: | ---: | ---: | --- |"
    assert rows[-1].startswith("| IFCap |  |  | 72.1 | 74.0 | asset/poster")
    assert {row.count("|") for row in rows} == {7}


def test_files(found: Results) -> None:
    files = written(found)
    assert Results.model_validate(json.loads(files["results.json"])) == found
    assert files["results.txt"] == f"{as_text(found)}\n"
    assert files["results.md"].startswith("## nocaps: trained on dataset_coco.json")
