"""A finished run of twelve pictures, and its report."""

from pathlib import Path

import pytest

from pipeline.report.report import ReportConfig, write_report
from tests.pipeline.report.made_runs import captioned, finish, write_pictures, write_run


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures, one of them damaged."""
    folder = write_pictures(tmp_path_factory.mktemp("source") / "pictures", 12)
    (folder / "0003.jpg").write_bytes((folder / "0003.jpg").read_bytes()[:300])
    return folder


@pytest.fixture(scope="session")
def run(source: Path, small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all twelve; the damaged one is an error, and another's row is of an image that is gone since."""
    rows = [captioned(n, f"a {('dog', 'cat', 'car')[n % 3]} number {n}") for n in range(12)]
    rows[3] = captioned(3, None, error="damaged image: cut short")
    rows[5]["image_id"] = "gone.jpg"
    folder = tmp_path_factory.mktemp("run") / "run"
    finish(write_run(folder, source, rows, small_bundle, rows_per_file=4))
    return folder


@pytest.fixture(scope="session")
def report(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "page"
    summary = write_report(str(run), str(folder), ReportConfig())
    assert (summary.rows, summary.shown, summary.pictured, summary.looked) == (12, 12, 10, 10)
    assert summary.finished
    return folder
