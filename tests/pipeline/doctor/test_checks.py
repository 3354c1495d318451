"""packages.py, machine.py, models.py, import_models.py, ray.py, start_ray.py, own_process.py: what is found.

import_models.py and start_ray.py are run by tests/jobs/test_doctor.py.
"""

import os
import socket
import tomllib
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.doctor import machine, packages
from pipeline.doctor.models import gpus, models
from pipeline.doctor.own_process import NoAnswerError, TrialError, try_module
from pipeline.doctor.ray import port
from pipeline.doctor.registry import checks
from tests.commands import REPOSITORY

GPU = {"name": "H100", "bytes": 80 << 30, "capability": "9.0", "free": 70 << 30, "error": ""}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The metadata of this package, to alter, before that which is installed."""
    folder = tmp_path / "maccap-9.dist-info"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder / "METADATA"


def test_packages_that_are_missing_or_too_old(installed: Path) -> None:
    installed.write_text(
        "Metadata-Version: 2.1\nName: maccap\nVersion: 9\nRequires-Python: >=99\n"
        "Requires-Dist: numpy>=2\nRequires-Dist: pillow[x]>=999\nRequires-Dist: no-such-package\n"
        'Requires-Dist: winning; sys_platform == "win32"\nRequires-Dist: absent; extra == "plots"\n'
    )
    numbers, nothing, version = packages.required()
    assert (numbers.status, numbers.fix) == ("fault", "pip install 'pillow[x]>=999'")
    assert f"pillow is {metadata.version('pillow')}, and >=999 is needed" in numbers.text
    assert nothing.text == "no-such-package is not installed"
    assert version.status == "warning"
    [python] = packages.python()
    assert python.status == "fault"
    plots = next(packages.extras())
    assert plots.status == "optional"
    assert plots.fix == "pip install 'maccap[plots]'"


def test_run_from_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "PACKAGE", "no-such-package")
    [finding] = packages.packages()
    assert finding.status == "warning"
    assert "not installed" in finding.text


def test_every_extra_says_what_it_is_for() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) - {"dev", "images"} == set(packages.SERVES)


def test_gpus() -> None:
    [whole] = gpus({"gpus": [GPU], "cuda": "13.0", "cpu": "AVX2"}, True, None)
    assert whole.status == "ok"
    assert "H100, 80 GB" in whole.text
    two = [{**GPU, "error": "no kernel image is available"}, {**GPU, "free": 1 << 30}]
    [broken, full] = gpus({"gpus": two, "cuda": "13.0", "cpu": ""}, True, None)
    assert (broken.status, full.status) == ("fault", "warning")


@pytest.mark.parametrize(
    ("cuda", "has_driver", "visible", "status", "fix"),
    [
        (None, False, None, "ok", ""),
        ("13.0", True, "", "ok", ""),
        (None, True, None, "warning", "built for CUDA"),
        ("13.0", True, None, "warning", "docker run --gpus all"),
    ],
)
def test_no_gpu(cuda: str | None, has_driver: bool, visible: str | None, status: str, fix: str) -> None:
    [finding] = gpus({"gpus": [], "cuda": cuda, "cpu": "AVX2"}, has_driver, visible)
    assert finding.status == status
    assert fix in finding.fix


def test_a_module_in_its_own_process() -> None:
    with pytest.raises(TrialError, match=r"No module named pipeline\.doctor\.none"):
        try_module("pipeline.doctor.none", seconds=60)
    with pytest.raises(NoAnswerError, match=r"no answer within 0\.2 seconds"):
        try_module("timeit", "-n1", "-r1", "__import__('time').sleep(99)", seconds=0.2)


def test_packages_that_import_slowly_are_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.doctor.models._SECONDS", 0.01)
    [finding] = models()
    assert finding.status == "warning"
    assert "try again" in finding.fix


def test_a_port_and_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        taken = port(number)
        assert taken.status == "warning"
        assert f"(process {os.getpid()})" in taken.text
    assert port(number).status == "ok"


def test_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory_bytes", lambda: (8 << 30, 1 << 30))
    [memory] = machine.memory()
    assert (memory.status, memory.text) == ("warning", "1.1 GB of 8.6 GB free")
    docker = SimpleNamespace(free=64 << 20)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: docker)
    [shared] = machine.shared_memory(tmp_path)
    assert shared.status == "warning"
    assert "--shm-size" in shared.fix
    monkeypatch.undo()
    disk = machine.disk(tmp_path / "not" / "there", "weights", "")
    assert f"free in {tmp_path}, for weights" in disk.text


def test_a_check_for_each_url() -> None:
    plain = checks()
    asked = checks(["s3://a/b", "https://user:secret@host/x"], ["out"])
    names = [check.name for check in asked[len(plain) :]]
    assert names == ["read s3://a/b", "read https://host/x", "write out"]
