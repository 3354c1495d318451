"""evaluate.py, metric.py, captions.py, result.py, report.py: from run folders to scores side by side."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluate.captions import Captions
from pipeline.evaluate.diversity import Diversity
from pipeline.evaluate.evaluate import METADATA, Settings, evaluate, joined_captions
from pipeline.evaluate.metric import MetricScore, NotComputed, Outcome, Remark, ratio
from pipeline.evaluate.report import join_lines, report
from pipeline.storage.errors import UserError
from tests.pipeline.evaluate.runs import row, write_run


class WordsInReference:
    """The fraction of a caption's words that a reference has."""

    def measure(self, captions: Captions) -> list[Outcome]:
        words = [set((row.caption or "").split()) for row in captions.rows]
        known = [set(" ".join(row.references).split()) for row in captions.rows]
        found = [len(said & there) for said, there in zip(words, known, strict=True)]
        return [
            ratio("known words", found, [len(said) for said in words]),
            NotComputed(("OTHER",), "needs what is not here"),
            Remark(f"of {len(words)} images"),
        ]


METRICS = [WordsInReference(), Diversity()]
TRUTH = ["a dog runs", "a cat sleeps", "two cars wait", "a boat sails", "a bird sings", "a man walks"]


def _references(folder: Path) -> str:
    document = {
        "images": [
            {"id": n, "file_name": f"{n}.jpg", "domain": "in-domain" if n < 4 else "out-domain"}
            for n in range(8)
        ],
        "annotations": [{"image_id": n, "caption": text} for n, text in enumerate(TRUTH)],
    }
    path = folder / "references.json"
    path.write_text(json.dumps(document))
    return str(path)


def _run(folder: Path, *texts: str | None) -> str:
    return write_run(folder, [row(n, text, image_id=f"a/{n}.jpg") for n, text in enumerate(texts)])


def test_two_runs_on_the_images_that_both_have(tmp_path: Path) -> None:
    one = _run(tmp_path / "one", *TRUTH, "not referenced")
    two = _run(tmp_path / "two", "a cat runs", "a cat barks", None, "a boat sinks", "x y z")
    settings = Settings(_references(tmp_path), seed=5)
    runs = joined_captions([one, two], settings)
    found = evaluate(runs, METRICS, settings)
    assert (found.run, found.images, found.without_caption) == (one, 5, 0)
    assert found.join is not None
    assert (found.join.rule, found.join.images, found.join.rows_without_references) == ("name", 6, 1)
    assert found.scores["known words"].value == 1.0
    (other,) = found.compared
    assert (other.images, other.without_caption) == (5, 1)
    assert other.scores["known words"].value == pytest.approx(6 / 12)
    assert other.difference is not None
    difference = other.difference["known words"]
    assert difference.value == pytest.approx(-0.5)
    assert difference.low is not None
    assert difference.high is not None
    assert difference.low < -0.5 < difference.high < 0
    assert "distinct-1" not in other.difference
    assert other.scores["distinct-1"].low is None
    assert {name: group.images for name, group in found.groups.items()} == {"in-domain": 4, "out-domain": 1}
    assert evaluate(runs, METRICS, settings) == found

    text = report(found)
    assert "5 images, 1 without a caption, scored as empty" in text
    assert "B - A" in text
    assert "not computed: OTHER: needs what is not here." in text
    assert text.count("of 5 images.") == 1
    assert "out-domain" in text
    lines = [line for captions, joined in runs if joined for line in join_lines(captions.run, joined)]
    assert "joined by `name`" in lines[0]
    assert lines[1] == "  1 rows have none and are not scored, such as a/6.jpg"
    assert lines[-1] == "  1 images of the references are not in the run, such as 5.jpg"


def test_differences_of_equal_runs_are_nothing(tmp_path: Path) -> None:
    one, two = (_run(tmp_path / name, "a cat runs", "a dog", "x", "a boat") for name in ("one", "two"))
    settings = Settings(_references(tmp_path))
    (other,) = evaluate(joined_captions([one, two], settings), METRICS, settings).compared
    assert other.difference is not None
    assert other.difference["known words"].model_dump() == {"value": 0, "low": 0, "high": 0}


def test_a_run_without_references_has_scores_that_need_none(tmp_path: Path) -> None:
    run = _run(tmp_path, "a dog", "a cat")
    settings = Settings()
    found = evaluate(joined_captions([run], settings), [Diversity()], settings)
    assert found.scores["vocabulary"].value == 3
    assert found.join is None
    assert found.scenes is None
    with pytest.raises(UserError, match="no row of RUN"):
        joined_captions([run], Settings(METADATA))


def test_runs_of_different_images_are_refused(tmp_path: Path) -> None:
    one = _run(tmp_path / "one", "a dog")
    two = write_run(tmp_path / "two", [row(0, "a cat", image_id="other.jpg")])
    with pytest.raises(UserError, match="no image that all of these runs have"):
        evaluate(joined_captions([one, two], Settings()), METRICS, Settings())


def test_a_score_of_nothing_is_none_and_a_dash(tmp_path: Path) -> None:
    run = _run(tmp_path, None, None)
    settings = Settings()
    found = evaluate(joined_captions([run], settings), [Diversity()], settings)
    assert found.scores["mean length"].value is None
    assert json.loads(found.model_dump_json())["scores"]["distinct-2"]["value"] is None
    assert any(line.split() == ["mean", "length", "-"] for line in report(found).splitlines())


def test_a_mean_and_a_score_of_a_part() -> None:
    measured: MetricScore = ratio("mean", [1.0, 2.0, 6.0])
    assert measured.value() == 3.0
    assert measured.aggregate(np.array([[8.0, 2.0]]))[0] == 4.0
