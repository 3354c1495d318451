"""`maccap demo`: the whole of it with a tiny model, and what a second one may remove."""

import json
from pathlib import Path

import pytest
from PIL import Image

from jobs.demo import start_afresh
from pipeline.storage.errors import UserError
from tests.commands import maccap, run


def _put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def _put_run(folder: Path, source: Path) -> None:
    _put(folder, "run/captions/a.parquet")
    (folder / "run" / "run.json").write_text(json.dumps({"source": str(source)}))


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_demo_shows_the_whole_product(tmp_path: Path, small_bundle: Path) -> None:
    folder = tmp_path / "demo"
    done = run(maccap("demo", folder, "--count", "6", "--model", small_bundle))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["summary"]["rows"], told["summary"]["captioned"]) == (6, 6)
    assert told["scores"]
    assert "6 of 6 images captioned" in done.stdout
    assert "one of its references" in done.stdout
    assert f"6 images with their captions: {folder / 'contact_sheet.png'}" in done.stdout
    page = folder / "run" / "report" / "index.html"
    assert f"to open in a browser: {page}" in done.stdout
    assert page.exists()
    with Image.open(folder / "contact_sheet.png") as sheet:
        assert min(sheet.size) > 100
    start_afresh(folder)
    assert not list(folder.iterdir())


def test_a_second_demo_removes_the_first_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _put(tmp_path, "scenes/scenes.json", "scenes/scenes-000000.tar", "contact_sheet.png", "my.txt")
    _put_run(tmp_path, tmp_path / "scenes")
    monkeypatch.chdir(tmp_path)
    start_afresh(Path())
    assert _files(tmp_path) == ["my.txt"]
    assert "removing contact_sheet.png, run, scenes" in capsys.readouterr().err
    start_afresh(tmp_path / "new")
    assert capsys.readouterr().err == ""


def test_a_demo_that_was_stopped_early_is_removed(tmp_path: Path) -> None:
    _put(tmp_path, "scenes/scenes.json")
    (tmp_path / "run").mkdir()
    start_afresh(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["run"], "run"),
        (["scenes"], "scenes"),
        (["run/mine.txt"], "run"),
        (["scenes/mine.jpg"], "scenes"),
        (["run/run.json"], "run"),
        (["contact_sheet.png"], "contact_sheet.png"),
    ],
)
def test_what_no_demo_made_stays(tmp_path: Path, names: list[str], kept: str) -> None:
    if kept != "scenes":
        names = [*names, "scenes/scenes.json"]
    _put(tmp_path, *names)
    with pytest.raises(UserError, match="was not made by a demo") as error:
        start_afresh(tmp_path)
    assert str(tmp_path / kept) in str(error.value)
    assert _files(tmp_path) == sorted(names)


def test_a_run_over_other_images_stays_and_so_does_its_sheet(tmp_path: Path) -> None:
    _put(tmp_path, "scenes/scenes.json", "contact_sheet.png")
    _put_run(tmp_path, tmp_path / "photos")
    before = _files(tmp_path)
    with pytest.raises(UserError, match="was not made by a demo"):
        start_afresh(tmp_path)
    assert _files(tmp_path) == before


def test_what_a_link_leads_to_stays(tmp_path: Path) -> None:
    _put(tmp_path, "elsewhere/scenes.json")
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "scenes").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="was not made by a demo"):
        start_afresh(tmp_path / "demo")
    assert (tmp_path / "elsewhere" / "scenes.json").exists()
