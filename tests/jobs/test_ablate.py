"""What `maccap ablate` refuses before it scores anything."""

import subprocess
import sys
from pathlib import Path


def test_a_work_folder_without_towers_is_refused_with_the_fix(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", "ablate", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path} holds no finished")
    assert f"`maccap embed {tmp_path}`" in done.stderr
    assert not list(tmp_path.iterdir())
