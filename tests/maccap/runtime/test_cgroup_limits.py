"""Limits of control groups, as they are written of a container, of a nested Slurm job, and by version 1."""

from pathlib import Path

from maccap.runtime.cgroup_limits import Limits, limits


def _write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def test_of_a_container(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/\n")
    stat = "anon 5\ninactive_file 300"
    _write(tmp_path, memory__max="1000", memory__current="800", memory__stat=stat, cpu__max="150000 100000")
    assert limits(tmp_path, own) == Limits(1000, 500, 1.5)


def test_the_lowest_of_nested_groups(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/slurm/job_7/step_0\n")
    _write(tmp_path / "slurm", memory__max="5000", memory__current="4900", cpu__max="max 100000")
    _write(tmp_path / "slurm/job_7", memory__max="1000", memory__current="100", cpu__max="200000 100000")
    _write(tmp_path / "slurm/job_7/step_0", memory__max="max", cpu__max="max 100000")
    assert limits(tmp_path, own) == Limits(1000, 100, 2.0)


def test_of_version_1(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("5:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n1:name=systemd:/docker/a\n")
    _write(tmp_path / "memory", memory__limit_in_bytes=str(2**63 - 4096))
    _write(tmp_path / "memory/docker/a", memory__limit_in_bytes="1000", memory__usage_in_bytes="600")
    _write(tmp_path / "cpu,cpuacct/docker/a", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    assert limits(tmp_path, own) == Limits(1000, 400, 0.5)


def test_none(tmp_path: Path) -> None:
    assert limits(tmp_path, tmp_path / "none") == Limits(None, None, None)
    own = tmp_path / "own"
    own.write_text("0::/\n2:cpu:/\n")
    _write(tmp_path / "cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert limits(tmp_path, own) == Limits(None, None, None)
