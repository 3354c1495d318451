"""report.py, report_folder.py, page_data.py, run_state.py, sections.py, blocks.py, evaluation.py."""

import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

from maccap.bundle import built_in_bundle_path
from pipeline.evaluate.result import Evaluation, RunResult, Score
from pipeline.report.report import ReportConfig, write_report
from pipeline.report.sections import duration, percent
from pipeline.storage.errors import UserError
from pipeline.verify import verify_run
from tests.pipeline.report.made_runs import captioned, data_of, finish, write_run


def test_the_sections_say_what_there_is(report: Path) -> None:
    data = data_of(report)
    assert [section["id"] for section in data["sections"]] == ["captions", "quality", "errors"]
    headline = {number["label"]: number["value"] for number in data["headline"]}
    assert (headline["images"], headline["captions"], headline["errors"]) == ("12", "11", "1")
    assert headline["distinct captions"] == "100 %"
    assert data["progress"].startswith("Finished.")
    assert data["fraction"] is None
    assert data["sample"] == "All 12 images of the run."
    assert dict(data["settings"])["seed"] == "0"


def test_extremes_lead_to_their_rows(source: Path, tmp_path: Path) -> None:
    rows = [captioned(n % 12, f"a dog and cat number {n}", image_id=f"{n}") for n in range(100)]
    write_run(tmp_path / "run", source, rows)
    write_report(str(tmp_path / "run"), None, ReportConfig(images=10, regions=False))
    data = data_of(tmp_path / "run" / "report")
    extremes = next(section for section in data["sections"] if section["id"] == "extremes")
    shown = {
        block["title"]: [data["rows"][row]["score"] for row in block["rows"]] for block in extremes["blocks"]
    }
    assert shown["Closest to their image"][0] == pytest.approx(0.211)
    assert shown["Farthest from their image"][0] == pytest.approx(0.2)
    assert sum(row.get("random", False) for row in data["rows"]) == 10
    assert data["sample"].startswith("A random sample: 10 of 100 images, and ")


def test_a_run_that_goes_on_says_how_far_it_is(source: Path, tmp_path: Path) -> None:
    rows = [captioned(n, "a dog here") for n in range(8)]
    write_run(tmp_path / "run", source, rows, last=False, rows_per_file=4)
    summary = write_report(str(tmp_path / "run"), None, ReportConfig(regions=False))
    assert not summary.finished
    data = data_of(tmp_path / "run" / "report")
    assert data["progress"].startswith("Not finished: 8 images, 0 of 1 shards.")
    assert data["headline"][0]["about"] == "so far"


def test_verify_does_not_mind_a_report_in_the_run(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    finish(write_run(folder, source, [captioned(n, "a dog here") for n in range(12)]))
    write_report(str(folder), None, ReportConfig(images=2, regions=False))
    assert (folder / "report" / "index.html").exists()
    problems: list[str] = []
    found = verify_run(str(folder), True, problems.append, lambda verification: nullcontext())
    assert (problems, found.rows) == ([], 12)


def test_another_model_that_is_named_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is another than the run's"):
        write_report(str(run), str(tmp_path / "page"), ReportConfig(model=str(built_in_bundle_path())))
    assert list(tmp_path.iterdir()) == []


def test_an_older_report_is_replaced_and_nothing_else(run: Path, report: Path, tmp_path: Path) -> None:
    page = Path(shutil.copytree(report, tmp_path / "page"))
    (page / "images" / "old.webp").write_bytes(b"")
    write_report(str(run), str(page), ReportConfig(images=1, regions=False))
    assert not (page / "images" / "old.webp").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.html").write_text("<title>mine</title>")
    with pytest.raises(UserError, match="holds something else than a report"):
        write_report(str(run), str(tmp_path / "other"), ReportConfig())
    assert (tmp_path / "other" / "index.html").read_text() == "<title>mine</title>"
    with pytest.raises(UserError, match="is not a folder"):
        write_report(str(run), str(tmp_path / "other" / "index.html"), ReportConfig())


def test_a_users_mistakes_are_told(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be written: .*too long"):
        write_report(str(run), str(tmp_path / ("x" * 300)), ReportConfig())
    with pytest.raises(UserError, match="is a URL"):
        write_report(str(run), "memory://report", ReportConfig())
    with pytest.raises(UserError, match="say with FOLDER where the report goes"):
        write_report("memory://run", None, ReportConfig())
    with pytest.raises(UserError, match="is no run"):
        write_report(str(tmp_path / "none"), str(tmp_path / "page"), ReportConfig())
    (tmp_path / "odd.json").write_text("[]")
    with pytest.raises(UserError, match=r"odd\.json is not what `maccap evaluate --output` writes"):
        write_report(str(run), str(tmp_path / "page"), ReportConfig(evaluation=str(tmp_path / "odd.json")))


def test_an_evaluation_becomes_tables(run: Path, tmp_path: Path) -> None:
    score, other = Score(value=0.25, low=0.2, high=0.3), Score(value=0.5)
    second = RunResult(
        run="/b", images=12, without_caption=0, scores={"CIDEr-D": other}, difference={"CIDEr-D": score}
    )
    evaluation = Evaluation(
        run="/a",
        images=12,
        without_caption=1,
        scores={"CIDEr-D": score, "vocabulary": Score(value=1234.0), "SPICE": Score(value=None)},
        not_computed={"SPICE": "no Java"},
        references="refs.json",
        seed=0,
        bootstrap_samples=10,
        compared=[second],
    )
    file = tmp_path / "evaluation.json"
    file.write_text(evaluation.model_dump_json())
    write_report(
        str(run), str(tmp_path / "page"), ReportConfig(images=1, regions=False, evaluation=str(file))
    )
    first, compared = data_of(tmp_path / "page")["sections"][-1]["blocks"]
    assert first["title"] == "Scores of a"
    assert first["about"] == "SPICE was not computed: no Java."
    assert first["rows"] == [
        ["CIDEr-D", "0.2500", "0.2000 to 0.3000"],
        ["vocabulary", "1,234", ""],
        ["SPICE", "–", ""],
    ]
    assert compared["rows"] == [["CIDEr-D", "0.5000", "", "0.2500", "0.2000 to 0.3000"]]


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        *((0, 0, "0 %"), (0, 9, "0 %"), (1, 10_000, "< 0.1 %"), (1, 40, "2.5 %"), (1, 2, "50 %")),
        *((995, 1000, "99.5 %"), (99_999, 100_000, "> 99.9 %"), (7, 7, "100 %")),
    ],
)
def test_percent(part: int, whole: int, said: str) -> None:
    assert percent(part, whole) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1.25, "1.25 s"), (59.6, "1 min 0 s"), (45, "45 s"), (7500, "2 h 5 min"), (180_000, "50 h 0 min")],
)
def test_duration(seconds: float, said: str) -> None:
    assert duration(seconds) == said
