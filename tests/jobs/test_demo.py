from pathlib import Path

import pytest

from jobs.demo import start_afresh
from pipeline.errors import UserError


def test_a_second_demo_removes_the_first_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (
        "scenes/scenes.json",
        "scenes/scenes-000000.tar",
        "run/run.json",
        "contact_sheet.png",
        "my.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    start_afresh(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["my.txt"]
    assert str(tmp_path / "run") in capsys.readouterr().err
    start_afresh(tmp_path / "new")
    assert capsys.readouterr().err == ""


def test_other_things_are_not_removed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").touch()
    (tmp_path / "contact_sheet.png").touch()
    with pytest.raises(UserError, match="other things"):
        start_afresh(tmp_path)
    assert (tmp_path / "run" / "mine.txt").exists()
    assert (tmp_path / "contact_sheet.png").exists()
