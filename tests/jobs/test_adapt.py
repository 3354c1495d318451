"""`maccap adapt`, as a command."""

import json
from pathlib import Path

from tests.commands import run_here
from tests.images import write_shard


def test_a_bundle_is_adapted_to_a_tar(tmp_path: Path, small_bundle: Path) -> None:
    write_shard(tmp_path / "s.tar", 12, 0)
    lines = [f"a {noun} and {number} cats\n" for noun in ("dog", "cup") for number in range(60)]
    (tmp_path / "captions.txt").write_text("".join(lines))
    given = [str(small_bundle), str(tmp_path / "s.tar"), str(tmp_path / "out"), "--images", "8"]
    done = run_here(["-m", "jobs.adapt", *given, "--captions", str(tmp_path / "captions.txt")])
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["images"], said["errors"]) == (8, 0)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["gap"] == {
        "images": 8,
        "captions": 120,
        "rounds": 2,
    }
    refused = run_here(["-m", "jobs.adapt", *given])
    assert refused.returncode == 2
    assert "--captions FILE" in refused.stderr
