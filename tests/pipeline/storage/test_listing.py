from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pipeline.storage.files import file_info, file_kind, locate, open_stream, read_file
from pipeline.storage.folder import Folder
from pipeline.storage.listing import as_given, entries, entry_of, files_below, matching_entries
from pipeline.storage.retries import StorageError
from tests.faulty_proxy import Faults, FaultyProxy

NAMES = ["a-0.tar", "a-1.tar", "b.txt", "deep/a-2.tar", "deep/er/a-3.tar", "other/[x].tar"]


def matching_files(filesystem: Any, pattern: str) -> list[str]:
    return [entry.path for entry in matching_entries(filesystem, pattern)]


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


def test_hidden_files_are_matched_by_name_alone(tmp_path: Path) -> None:
    for name in ("a.tar", "._a.tar", ".cache/b.tar", "in/c.tar", "in/.x/d.tar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    filesystem, path = locate(str(tmp_path))

    def matched(pattern: str) -> list[str]:
        return [name.removeprefix(f"{path}/") for name in matching_files(filesystem, f"{path}/{pattern}")]

    assert matched("*.tar") == matched("?.tar") == matched("[._a]*.tar") == ["a.tar"]
    assert matched("**/*.tar") == ["a.tar", "in/c.tar"]
    assert matched(".*.tar") == ["._a.tar"]
    assert matched(".cache/*.tar") == matched(".c*/*.tar") == [".cache/b.tar"]
    assert matched("**/.x/*.tar") == ["in/.x/d.tar"]
    assert len(list(files_below(filesystem, path))) == 2
    assert len(list(files_below(filesystem, path, hidden=True))) == 5


def test_a_pattern_looks_through_links_to_folders(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "a.tar").write_bytes(b"")
    source = tmp_path / "source"
    source.mkdir()
    (source / "train").symlink_to(disk)
    filesystem, path = locate(str(source))
    assert [entry.path for entry in matching_entries(filesystem, f"{path}/*/*.tar")] == [
        f"{path}/train/a.tar"
    ]
    assert matching_entries(filesystem, f"{path}/*.tar") == []


def test_links_are_what_they_point_to(tmp_path: Path) -> None:
    (tmp_path / "real.jpg").write_bytes(b"12345")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.jpg").symlink_to("real.jpg")
    (tmp_path / "nowhere.jpg").symlink_to("gone.jpg")
    (tmp_path / "circle").symlink_to("../" + tmp_path.name)
    filesystem, path = locate(str(tmp_path))
    listed = {entry.name: entry for entry in entries(filesystem, path)}
    assert [name for name, entry in listed.items() if entry.is_folder] == ["folder"]
    assert (listed["link.jpg"].size, listed["link.jpg"].state) == (5, listed["real.jpg"].state)
    assert listed["real.jpg"] == entry_of(file_info(filesystem, f"{path}/real.jpg"))
    assert "nowhere.jpg" in listed
    assert len(list(files_below(filesystem, path))) == 4


def test_local_names_are_what_they_are(tmp_path: Path) -> None:
    for name in ("a\nb.jpg", "[x].jpg", "a::b.tar", "#1?.jpg", "e\u0301.jpg", "~", "file:x.jpg"):
        (tmp_path / name).write_bytes(name.encode())
        filesystem, path = locate(str(tmp_path / name))
        assert (path, file_kind(filesystem, path)) == (str(tmp_path / name), "file")
        assert read_file(filesystem, path) == name.encode()
    assert len(matching_files(*locate(f"{tmp_path}/*"))) == 7
    assert matching_files(*locate(f"{tmp_path}/a*b*")) == [f"{tmp_path}/a\nb.jpg", f"{tmp_path}/a::b.tar"]


def test_files_are_named_as_their_source_was(s3: FaultyProxy, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "z.zip", "w") as file:
        file.writestr("in/a.tar", b"x")
    Folder("s3://bucket/named").write("a.tar", b"x")
    for source, expected in (
        (f"zip://in/*.tar::{tmp_path}/z.zip", f"zip://in/a.tar::{tmp_path}/z.zip"),
        ("simplecache::s3://bucket/named/*.tar", "simplecache::s3://bucket/named/a.tar"),
        ("S3://bucket/named/*.tar", "s3://bucket/named/a.tar"),
    ):
        filesystem, pattern = locate(source)
        (path,) = matching_files(filesystem, pattern)
        assert as_given(filesystem, source, path) == expected
        assert read_file(*locate(expected)) == b"x"


ODD_KEYS = [
    "//a.jpg",
    "/lead/b.jpg",
    "p//a.jpg",
    "p///b.jpg",
    "p/[x].jpg",
    "p/a?b*.jpg",
    "p/{a,b}.jpg",
    "p/#1 50%25+1%.jpg",
    "p/ blank .jpg",
    "p/e\u0301.jpg",
    "p/return\r.jpg",
    "p/\x01.jpg",
    "p/../up.jpg",
    "p/./dot.jpg",
    "p/a::b.jpg",
    "p/~/x.jpg",
    "p/\U0001f408.jpg",
    "p/both",
    "p/both/inside.jpg",
]


def test_odd_keys_are_listed_and_read_as_they_are(s3: FaultyProxy) -> None:
    filesystem, _ = locate("s3://bucket/odd")
    client = filesystem.call_s3
    client("create_bucket", Bucket="odd")
    for key in ODD_KEYS:
        client("put_object", Bucket="odd", Key=key, Body=key.encode())
    client("put_object", Bucket="odd", Key="p/", Body=b"")  # a folder, as consoles make one
    assert sorted(files_below(filesystem, "odd", hidden=True)) == sorted(f"odd/{key}" for key in ODD_KEYS)
    names = [(entry.name, entry.is_folder) for entry in entries(filesystem, "odd/p")]
    assert names[0] == ("", True)
    assert [folder for name, folder in names if name == "both"] == [False, True]
    for key in ODD_KEYS:
        where, path = locate(f"s3://odd/{key}")
        assert path == f"odd/{key}"
        assert file_kind(where, path) == "file"
        assert read_file(where, path) == key.encode()
        with open_stream(where, path) as stream:
            assert stream.read() == key.encode()
        assert as_given(where, f"s3://odd/{key}", path) == f"s3://odd/{key}"
        (entry,) = [e for e in entries(where, path.rpartition("/")[0]) if e.path == path and not e.is_folder]
        assert entry == entry_of(file_info(where, path))
    assert matching_files(filesystem, "odd/p//*.jpg") == ["odd/p//a.jpg"]
    assert matching_files(filesystem, "odd//*/*.jpg") == ["odd//lead/b.jpg"]
    assert matching_files(filesystem, "odd/p/[[]x].jpg") == ["odd/p/[x].jpg"]
    assert file_kind(filesystem, "odd/p/?x].jpg") is None
    with pytest.raises(FileNotFoundError, match="odd/q"):
        entries(filesystem, "odd/q")
    with pytest.raises(FileNotFoundError, match="no-such-bucket"):
        entries(filesystem, "no-such-bucket")


def test_a_long_listing_has_all_pages(s3: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "30")
    filesystem, _ = locate("s3://bucket")
    for n in range(100):
        filesystem.call_s3("put_object", Bucket="bucket", Key=f"many/{n:05d}/x", Body=b"")
    before = s3.counts["requests"]
    assert len(entries(filesystem, "bucket/many")) == 100
    assert s3.counts["requests"] - before == 4


def test_a_storage_that_cannot_list_a_name_says_so() -> None:
    class Careless(MemoryFileSystem):
        """Lists as gcsfs does."""

        protocol = "careless"

        def ls(self, path: str, detail: bool = True, **options: object) -> list[dict]:
            return [{"name": f"{path}//", "type": "directory", "size": 0}]

    with pytest.raises(StorageError, match="//"):
        entries(Careless(), "/bucket/photos")
