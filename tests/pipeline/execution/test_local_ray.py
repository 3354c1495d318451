"""What a local Ray needs: a token that nobody else can read, and a machine with room, or a reason why not."""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from maccap.runtime.cgroup_limits import Limits
from pipeline.execution import local_ray
from pipeline.execution.local_ray import cpus_allowed, prepare_local_ray, why_not_started
from tests.commands import maccap, run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("RAY_AUTH")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "to be restored")
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_token_is_new_and_on_no_disk(home: Path) -> None:
    prepare_local_ray()
    first = os.environ.pop("RAY_AUTH_TOKEN")
    prepare_local_ray()
    assert len(first) == 64
    assert os.environ["RAY_AUTH_TOKEN"] != first
    assert list(home.iterdir()) == []


def test_a_token_that_ray_left_is_closed_to_others(home: Path) -> None:
    token = home / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("a" * 64)
    token.chmod(0o644)
    prepare_local_ray()
    assert token.stat().st_mode & 0o777 == 0o600


def test_a_link_there_is_not_followed(home: Path) -> None:
    elsewhere = home / "elsewhere"
    elsewhere.write_text("not a token")
    elsewhere.chmod(0o644)
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").symlink_to(elsewhere)
    prepare_local_ray()
    assert elsewhere.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("setting", ["RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"])
def test_what_the_user_set_stays(home: Path, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting, "disabled")
    prepare_local_ray()
    assert "RAY_AUTH_TOKEN" not in os.environ


@pytest.mark.parametrize("variable", ["RAY_TMPDIR", "TMPDIR"])
def test_a_folder_whose_name_is_too_long(variable: str, tmp_path: Path) -> None:
    archive, folder = tmp_path / "archive", tmp_path / ("long" * 25)
    folder.mkdir()
    assert run(maccap("scenes", archive, "--count", "1", "--seed", "0")).returncode == 0
    done = run(maccap("caption", f"{archive}/*.tar", tmp_path / "run"), **{variable: str(folder)})
    assert done.returncode == 1
    assert done.stdout == ""
    taken_for, message = done.stderr.splitlines()
    assert taken_for.startswith("SOURCE ")
    assert str(folder) in message
    assert "107 bytes" in message
    assert "RAY_TMPDIR" in message


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(small_disk))
    reason = why_not_started(RuntimeError("Timed out waiting for file"))
    assert "the disk is full" in reason
    assert str(small_disk) in reason


def test_a_disk_that_cannot_be_written(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(small_disk))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert "cannot be written" in why_not_started(OSError("[Errno 30] Read-only file system"))


@pytest.mark.parametrize(
    ("limit", "allowed", "expected"),
    [
        ("RLIMIT_AS", 4 << 30, "ulimit -v"),
        ("RLIMIT_NOFILE", 64, "ulimit -n"),
        ("RLIMIT_FSIZE", 1 << 20, "ulimit -f"),
    ],
)
def test_a_limit_that_is_too_low(limit: str, allowed: int, expected: str) -> None:
    program = f"""
import resource
resource.setrlimit(resource.{limit}, ({allowed}, {allowed}))
from pipeline.execution.local_ray import why_not_started
print(why_not_started(RuntimeError("The current node timed out during startup.")))
"""
    reason = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert expected in reason
    assert f"{allowed:,}" in reason


def test_too_few_open_files_are_refused_before_ray_dies_of_it() -> None:
    program = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from pipeline.storage.errors import UserError
from pipeline.execution.local_ray import prepare_local_ray
try:
    prepare_local_ray()
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "ulimit -n" in done.stdout


@pytest.mark.parametrize(
    ("quota", "bound", "allowed"),
    [(None, 3, 3), (2.5, 3, 2), (0.5, 3, 1), (None, 8, None), (2.5, 8, 2), (0.5, 8, 1), (9.0, 8, None)],
)
def test_cores_that_a_scheduler_binds_the_process_to(
    quota: float | None, bound: int, allowed: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(bound)))
    monkeypatch.setattr(local_ray, "limits", lambda: Limits(None, None, quota))
    assert cpus_allowed() == allowed


def test_an_unknown_reason_is_rays_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", tempfile.gettempdir())
    monkeypatch.setattr(resource, "getrlimit", lambda limit: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    reason = why_not_started(RuntimeError("Something else."))
    assert reason.startswith("Something else.")
    assert "session_latest/logs" in reason
