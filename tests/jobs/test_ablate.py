"""What `maccap ablate` refuses before it scores anything."""

from pathlib import Path

from tests.commands import maccap, run_here


def test_a_work_folder_without_towers_is_refused_with_the_fix(tmp_path: Path) -> None:
    done = run_here(maccap("ablate", tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path} holds no finished")
    assert f"`maccap embed {tmp_path}`" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_model_that_does_not_ship_is_refused_with_those_that_do(tmp_path: Path) -> None:
    done = run_here(maccap("ablate", tmp_path / "work", "--model", "built-in://photographs"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "choose one of built-in://scenes, built-in://scenes-contrast" in done.stderr
    assert not list(tmp_path.iterdir())
