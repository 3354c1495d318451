"""The wheel: all of the packages and their data, nothing of the tests, and installed it captions anywhere."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.commands import REPOSITORY, environment

PACKAGES = ("maccap", "pipeline", "jobs")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheel")


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    """Built of a copy: setuptools leaves a folder beside what it builds, and takes from it the next time."""
    source = folder / "source"
    left_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for package in (*PACKAGES, "tests"):
        shutil.copytree(REPOSITORY / package, source / package, ignore=left_out)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(folder: Path, wheel: Path) -> Path:
    """The `bin` of an environment with the wheel, and this one's packages behind it."""
    place = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    [packages] = place.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    _pip("--python", str(place / "bin" / "python"), "install", "--no-deps", "--no-index", str(wheel))
    return place / "bin"


def test_it_holds_all_of_the_packages_and_no_tests(folder: Path, wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    [metadata] = {name.split("/")[0] for name in names if ".dist-info/" in name}
    assert f"{metadata}/licenses/LICENSE" in names
    ours = {name for name in names if not name.startswith(metadata)}
    assert ours == {
        str(path.relative_to(folder / "source"))
        for package in PACKAGES
        for path in (folder / "source" / package).rglob("*")
        if path.is_file()
    }


def test_it_captions_from_any_folder(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for colour in ("white", "blue"):
        Image.new("RGB", (96, 96), colour).save(tmp_path / "photos" / f"{colour}.png")
    where = _run(installed, tmp_path, "python", "-c", "import pipeline; print(pipeline.__file__)")
    assert where.startswith(str(installed.parent))
    assert "caption" in _run(installed, tmp_path, "maccap", "--help")
    _run(installed, tmp_path, "maccap", "caption", "photos", "run", "--local")
    captions = pq.read_table(tmp_path / "run" / "captions")["caption"].to_pylist()
    assert len(captions) == 2
    assert all(captions)


def _run(installed: Path, folder: Path, program: str, *arguments: str) -> str:
    kept = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    command = [str(installed / program), *arguments]
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
