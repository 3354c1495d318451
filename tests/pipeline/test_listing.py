from pathlib import Path

import pytest

from pipeline.files import locate
from pipeline.listing import files_below, matching_files
from tests.faulty_proxy import Faults, FaultyProxy

NAMES = ["a-0.tar", "a-1.tar", "b.txt", "deep/a-2.tar", "deep/er/a-3.tar", "other/[x].tar"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "folder.tar").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.tar", ["a-0.tar", "a-1.tar"]),
        ("a-[1-9].tar", ["a-1.tar"]),
        ("a-?.tar", ["a-0.tar", "a-1.tar"]),
        ("**/*.tar", ["a-0.tar", "a-1.tar", "deep/a-2.tar", "deep/er/a-3.tar", "other/[x].tar"]),
        ("*/*.tar", ["deep/a-2.tar", "other/[x].tar"]),
        ("deep/*/*", ["deep/er/a-3.tar"]),
        ("nowhere/*", []),
    ],
)
def test_a_pattern_matches_files(folder: Path, pattern: str, expected: list[str]) -> None:
    filesystem, path = locate(str(folder))
    assert matching_files(filesystem, f"{path}/{pattern}") == [f"{path}/{name}" for name in expected]


def test_files_below_a_folder(folder: Path) -> None:
    filesystem, path = locate(str(folder))
    assert sorted(files_below(filesystem, path)) == sorted(f"{path}/{name}" for name in NAMES)
    assert sorted(files_below(filesystem, path, depth=1)) == [
        f"{path}/{name}" for name in ("a-0.tar", "a-1.tar", "b.txt")
    ]


def test_a_busy_store_lists_all_or_raises(s3: FaultyProxy) -> None:
    filesystem, bucket = locate("s3://bucket/busy")
    expected = [f"{bucket}/{part}/{n}.tar" for part in "ab" for n in range(3)]
    for path in expected:
        filesystem.pipe_file(path, b"x")
    s3.faults = Faults(slow_down=0.3, cut=0.1)
    assert all(matching_files(filesystem, f"{bucket}/*/*.tar") == expected for _ in range(10))
    s3.faults = Faults(refuse_after=0, refusal=(403, "AccessDenied"))
    with pytest.raises(PermissionError):
        matching_files(filesystem, f"{bucket}/*/*.tar")
    s3.faults = Faults()
