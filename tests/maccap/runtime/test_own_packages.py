"""This project's packages are found whatever else has their names."""

import subprocess
import sys
from pathlib import Path

from maccap.runtime.own_packages import FOLDER, names_taken
from tests.commands import REPOSITORY


def test_the_folder_is_the_one_of_this_checkout() -> None:
    assert FOLDER == REPOSITORY


def test_names_that_others_take_are_seen(tmp_path: Path) -> None:
    assert not names_taken([str(REPOSITORY)])
    assert not names_taken([str(tmp_path)])
    (tmp_path / "jobs.py").write_text("raise SystemExit('the wrong jobs')")
    assert names_taken([str(tmp_path)])
    (tmp_path / "jobs.py").unlink()
    (tmp_path / "pipeline").mkdir()  # a folder alone is a namespace of somebody's
    assert names_taken([str(tmp_path)])


def test_own_packages_come_first_in_another_process(tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text("raise SystemExit('the wrong pipeline')")
    program = """
import sys
from maccap.runtime.own_packages import own_packages_first
sys.path.insert(0, sys.argv[1])
own_packages_first()
import pipeline.chunk
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=REPOSITORY, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
