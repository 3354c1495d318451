"""`maccap doctor` on this machine: lines for a person, JSON for a program, and its exit code."""

import json
import sys
from pathlib import Path

from tests.commands import run


def test_what_works_here(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"123")
    doctor = [sys.executable, "-m", "jobs.doctor", "--ray", "--json"]
    done = run([*doctor, str(tmp_path), f"{tmp_path}/none", "--write", f"{tmp_path}/out"])
    lines = done.stdout.splitlines()
    document = json.loads(lines[-1])
    checks = document["checks"]
    assert done.returncode == 1  # for the path that is not there
    assert "Traceback" not in done.stderr
    assert [each["check"] for each in checks if each["status"] == "fault"] == [f"read {tmp_path}/none"]
    assert (document["ok"], document["faults"]) == (False, 1)
    assert "fix: Check the path" in done.stdout
    assert len(lines) == 1 + len(checks) + sum(bool(each["fix"]) for each in checks)
    texts = [each["text"] for each in checks]
    assert any("import together" in text for text in texts)
    assert any("a task has run after" in text for text in texts)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.tar"]
