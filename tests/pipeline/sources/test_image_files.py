"""What a manifest may name, by the rules of `image_files`."""

import os
from pathlib import Path

import fsspec
import pytest

from pipeline.sources.image_files import ImageFile, RefusedError, image_file
from pipeline.sources.shard import ImageRoot, Shard


def _read(shard: Shard, name: str, max_bytes: int = 1000) -> bytes:
    return image_file(shard, name, max_bytes)()


@pytest.fixture
def local(tmp_path: Path) -> Shard:
    (tmp_path / "root" / "sub").mkdir(parents=True)
    (tmp_path / "root" / "sub" / "a b.jpg").write_bytes(b"a")
    (tmp_path / "root" / "100%25.jpg").write_bytes(b"literal")
    (tmp_path / "outside.jpg").write_bytes(b"outside")
    return Shard("x", "parquet", str(tmp_path / "root" / "x.parquet"), ImageRoot(f"{tmp_path}/root/"))


@pytest.mark.parametrize(
    "name",
    [
        "sub/a b.jpg",
        "./sub/a b.jpg",
        "sub/./a b.jpg",
        "sub/../sub/a b.jpg",
        "sub\\a b.jpg",
        ".\\sub\\a b.jpg",
        "sub/a%20b.jpg",
        "sub/a b.jpg \n",
        "  sub/a b.jpg",
        "file://{root}sub/a%20b.jpg",
        "{root}sub/a b.jpg",
    ],
)
def test_the_ways_tools_write_one_path(local: Shard, name: str) -> None:
    assert _read(local, name.format(root=local.args.root)) == b"a"


def test_a_name_as_it_is_written_comes_first(local: Shard) -> None:
    assert _read(local, "100%25.jpg") == b"literal"


OUTSIDE = [
    "../outside.jpg",
    "../missing.jpg",
    "sub/../../outside.jpg",
    "..\\outside.jpg",
    "%2e%2e/outside.jpg",
    "file:///etc/passwd",
    "file://{root}../outside.jpg",
    "memory://x",
    "simplecache::file:///etc/passwd",
    "dir::file:///etc/passwd",
    "zip://a.jpg::s3://bucket/x.zip",
    "s3://bucket/a::file:///etc/passwd",
    "ftp://host/a.jpg",
    "LOCAL:///etc/passwd",
]


@pytest.mark.parametrize("confined", [False, True])
@pytest.mark.parametrize("name", OUTSIDE)
def test_no_name_leaves_the_root_whether_or_not_it_is_there(local: Shard, name: str, confined: bool) -> None:
    shard = Shard("x", "parquet", local.url, ImageRoot(local.args.root, confined))
    with pytest.raises(RefusedError) as refused:
        image_file(shard, name.format(root=local.args.root), 100)
    assert "exist" not in str(refused.value)
    assert "No such" not in str(refused.value)


def test_an_absolute_path_is_what_it_says_or_below_the_root_that_was_given(local: Shard) -> None:
    outside = str(Path(local.args.root).parent / "outside.jpg")
    assert _read(local, outside) == b"outside"
    confined = Shard("x", "parquet", local.url, ImageRoot(local.args.root, True))
    assert _read(confined, f"{local.args.root}sub/a b.jpg") == b"a"
    for name in (
        outside,
        f"{local.args.root}../outside.jpg",
        "/sub/a b.jpg",
        f"{local.args.root.rstrip('/')}2/a.jpg",
    ):
        with pytest.raises(RefusedError, match="--image-root"):
            image_file(confined, name, 100)


@pytest.mark.parametrize(
    ("manifest", "allowed", "refused"),
    [
        (
            "/data/x.json",
            ["http://h/a", "HTTPS://h/a", "s3://b/k", "gs://b/k", "hf://datasets/a/b/c"],
            ["memory://a"],
        ),
        (
            "s3://b/x.json",
            ["http://h/a", "https://h/a", "s3://other/k", "a/b.jpg", "a//b.jpg"],
            ["gs://b/k", "/etc/passwd", "file:///etc/passwd", "../k.jpg", "a::b", "hf://datasets/a/b/c"],
        ),
        (
            "https://h/d/x.json",
            ["https://h/a", "http://h/a", "a b.jpg"],
            ["s3://b/k", "/etc/passwd", "../../a.jpg", "file:///etc/passwd"],
        ),
    ],
)
def test_a_manifest_names_its_own_storage_and_the_web(
    manifest: str, allowed: list[str], refused: list[str]
) -> None:
    shard = Shard("x", "coco", manifest, ImageRoot(manifest.rpartition("/")[0] + "/"))
    for name in allowed:
        assert image_file(shard, name, 100).ahead is not None
    for name in refused:
        with pytest.raises(RefusedError):
            image_file(shard, name, 100)
    if manifest.startswith("s3"):
        assert image_file(shard, "./a//b.jpg", 100).places == ("s3://b/a//b.jpg",)
    if manifest.startswith("https"):
        assert image_file(shard, "a b#1.jpg", 100).places[0] == "https://h/d/a%20b%231.jpg"


def test_links_below_the_root_are_followed_as_in_a_folder(local: Shard) -> None:
    (Path(local.args.root) / "link.jpg").symlink_to("../outside.jpg")
    assert _read(local, "link.jpg") == b"outside"


def test_what_is_no_file_or_too_large_is_not_read(local: Shard) -> None:
    os.mkfifo(f"{local.args.root}pipe.jpg")
    with open(f"{local.args.root}huge.jpg", "wb") as file:
        file.truncate(1 << 40)
    (Path(local.args.root) / "exact.jpg").write_bytes(bytes(1000))
    for name, message in (("pipe.jpg", "no file"), ("sub", "directory"), ("huge.jpg", "max_bytes")):
        with pytest.raises(OSError, match=message):
            _read(local, name)
    assert len(_read(local, "exact.jpg")) == 1000
    with pytest.raises(ValueError, match="null byte"):
        _read(local, "a\0.jpg")


def test_stored_images_are_bounded_too() -> None:
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe({"/bounded/a.jpg": bytes(1000), "/bounded/b.jpg": bytes(1001), "/bounded/c.jpg": b""})
    reserved: list[int] = []
    assert len(ImageFile(("memory://bounded/a.jpg",), 1000).read(reserved.append)) == 1000
    assert reserved == [1000]
    assert ImageFile(("memory://bounded/c.jpg",), 1000)() == b""
    with pytest.raises(OSError, match=r"1001 bytes .*max_bytes"):
        ImageFile(("memory://bounded/b.jpg",), 1000)()


@pytest.mark.parametrize("name", ["", "  ", "\n"])
def test_no_name_is_no_image(local: Shard, name: str) -> None:
    with pytest.raises(RefusedError, match="names no image"):
        image_file(local, name, 100)
