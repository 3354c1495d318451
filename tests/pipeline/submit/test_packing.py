"""packing.py and variables.py: what travels with a job, and what does not."""

import zipfile
from pathlib import Path

import pytest

from pipeline.storage.errors import UserError
from pipeline.submit import packing
from pipeline.submit.packing import own_files, pack
from pipeline.submit.variables import for_job, not_sent, sent_variables


def test_the_package_has_the_code_and_the_named_files_alone(tmp_path: Path) -> None:
    (tmp_path / "q.json").write_text("{}")
    files = {"files/0-q.json": tmp_path / "q.json", "files/1-list.txt": b"s3://a\n"}
    one, two = (pack(tmp_path / name, own_files(False), files) for name in ("1.zip", "2.zip"))
    assert one is not None
    assert two is not None
    assert one.read_bytes() == two.read_bytes()  # and so is sent once
    assert one.stat().st_size < 3 << 20
    with zipfile.ZipFile(one) as package:
        names = set(package.namelist())
        assert package.read("files/1-list.txt") == b"s3://a\n"
    assert {"maccap/__init__.py", "pipeline/caption.py", "jobs/caption.py", *files} <= names
    assert {"pipeline/report/template/page.html", "maccap/scenes/world/sprites.png"} <= names
    assert {name.partition("/")[0] for name in names} == {"maccap", "pipeline", "jobs", "files"}
    assert not any(name.startswith("maccap/bundles") or "__pycache__" in name for name in names)


def test_the_built_in_model_travels_where_it_is_needed() -> None:
    sent = dict(own_files(True))
    assert "maccap/bundles/scenes/adaptor.safetensors" in sent
    assert "maccap/bundles/scenes-contrast/gap.safetensors" in sent


def test_nothing_to_send_is_no_package(tmp_path: Path) -> None:
    assert pack(tmp_path / "none.zip", (), {}) is None
    assert not (tmp_path / "none.zip").exists()


def test_a_package_that_no_cluster_takes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MOST_BYTES", 100)
    with pytest.raises(UserError, match="files/0-large"):
        pack(tmp_path / "large.zip", (), {"files/0-large": bytes(range(256)) * 4, "files/1-small": b"x"})
    with pytest.raises(UserError, match="cannot be made"):
        pack(tmp_path / "gone.zip", (), {"files/0-gone": tmp_path / "gone"})


def test_variables_are_those_that_are_asked_for() -> None:
    here = {"AWS_SECRET_ACCESS_KEY": "s", "HF_TOKEN": "h", "PATH": "/bin", "AWS_CA_BUNDLE": "/ca"}
    sent = sent_variables(["HF_TOKEN", "OTHER=a=b", "EMPTY="], here)
    assert sent == {"HF_TOKEN": "h", "OTHER": "a=b", "EMPTY": ""}
    assert not_sent(sent, here) == ["AWS_SECRET_ACCESS_KEY"]
    assert for_job(sent).items() >= sent.items()
    for wrong in ("NIX", "=x", "a-b=c"):
        with pytest.raises(UserError, match="--env"):
            sent_variables([wrong], here)
