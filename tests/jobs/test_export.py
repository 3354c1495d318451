"""`maccap export`: what a person sees of it, and of their mistakes."""

import json
import sys
from pathlib import Path

import pytest

from tests.commands import run as run_command
from tests.pipeline.export.runs import tars, write_run


@pytest.fixture(scope="module")
def exported_run(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("export")
    return write_run(folder / "run", tars(folder / "in", 1))


def _export(*arguments: object) -> tuple[int, str, str]:
    done = run_command([sys.executable, "-m", "jobs.export", *map(str, arguments), "--local"])
    return done.returncode, done.stdout, done.stderr


def test_the_command(exported_run: str, tmp_path: Path) -> None:
    code, out, err = _export(exported_run, tmp_path / "out", "--format", "jsonl", "--where", "index > 1")
    assert code == 0, err
    assert json.loads(out.splitlines()[-1])["examples"] == {"train": 4}
    assert f"4 of 6 rows in {tmp_path}/out as jsonl: 4 train\nleft out: 2 not as --where says\n" in err


def test_a_condition_that_is_wrong(exported_run: str, tmp_path: Path) -> None:
    code, out, err = _export(exported_run, tmp_path / "out", "--format", "jsonl", "--where", "color > 1")
    assert (code, out) == (2, "")
    assert "error: --where color > 1: Binder Error" in err
    assert "Traceback" not in err
