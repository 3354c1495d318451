"""`maccap report` over a real run of a tiny model, and over what is none."""

import json
from pathlib import Path

import pytest

from jobs.caption import main as caption
from jobs.report import main
from pipeline.storage.errors import UserError
from tests.images import encoded, picture


def test_a_run_becomes_a_page(small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "images").mkdir()
    for number in range(3):
        (tmp_path / "images" / f"{number}.jpg").write_bytes(encoded(picture(number)))
    (tmp_path / "images" / "bad.jpg").write_bytes(encoded(picture(3))[:300])
    run = tmp_path / "run"
    caption(str(tmp_path / "images"), str(run), model=str(small_bundle), local=True)
    capsys.readouterr()
    main(str(run))
    said = capsys.readouterr()
    summary = json.loads(said.out.splitlines()[-1])
    page = run / "report" / "index.html"
    assert summary["page"] == str(page)
    assert {
        name: summary[name] for name in ("rows", "finished", "shown", "pictured", "looked", "remarks")
    } == {
        **{"rows": 4, "finished": True, "shown": 4, "pictured": 3, "looked": 3},
        "remarks": [],
    }
    assert f"open {page}" in said.err
    assert "damaged image" in page.read_text()


def test_what_is_no_run_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run"):
        main(str(tmp_path / "none"), str(tmp_path / "page"))
