"""on_ray.py: tasks of Ray Data write the same files as one process does."""

import json
import sys
from pathlib import Path

from tests.commands import run as run_command
from tests.pipeline.export.runs import export


def test_the_same_files(run: str, tmp_path: Path) -> None:
    options = ["--format", "webdataset", "--per-file", "3", "--where", "index <> 1"]
    done = run_command([sys.executable, "-m", "jobs.export", run, str(tmp_path / "ray"), *options])
    assert done.returncode == 0, done.stderr
    local = export(run, tmp_path / "local", "webdataset", per_file=3, where="index <> 1")
    assert json.loads(done.stdout)["examples"] == local.examples == {"train": 9}
    names = sorted(path.name for path in (tmp_path / "local").glob("*.tar"))
    assert len(names) == 3
    for name in names:
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
