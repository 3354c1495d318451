import os
from pathlib import Path

from pipeline.sources import shard_from_json
from pipeline.sources.folder import plan_folder, read_folder
from pipeline.sources.sample import ChunkLimits, chunk_samples


def _touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


NAMES = ["a.jpg", "a/1.png", "a/2.JPEG", "a.b/x.webp", "b/c/d.gif", "b/c.tif", "naïve 猫.bmp", "z.ppm"]


def _ids(root: Path, files_a_shard: int) -> list[list[str]]:
    plan = plan_folder(str(root), files_a_shard)
    return [[sample.image_id for sample in read_folder(shard)] for shard in plan.shards]


def test_all_images_of_all_subfolders_once_whatever_the_shard_size(tmp_path: Path) -> None:
    _touch(tmp_path, *NAMES)
    (in_order,) = _ids(tmp_path, 100)
    assert sorted(in_order) == sorted(NAMES)
    for size in (1, 2, 3, 7, 8):
        shards = _ids(tmp_path, size)
        assert [image_id for shard in shards for image_id in shard] == in_order
        assert all(len(shard) == size for shard in shards[:-1])


def test_what_is_no_image_is_left_out(tmp_path: Path) -> None:
    _touch(tmp_path, "x.jpg", "notes.txt", "jpg", ".hidden.jpg", ".thumbnails/x.jpg", "x.jpg.part")
    assert _ids(tmp_path, 10) == [["x.jpg"]]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    source, disk = tmp_path / "source", tmp_path / "disk"
    _touch(source, "real/x.jpg")
    _touch(disk, "deep/y.jpg", "z.jpg")
    (source / "link.jpg").symlink_to(source / "real" / "x.jpg")
    (source / "real" / "loop").symlink_to(source)
    (source / "twice").symlink_to("real")
    (source / "train").symlink_to(disk)
    (disk / "back").symlink_to(source)
    (disk / "deep" / "up").symlink_to(disk)
    ids = ["link.jpg", "real/x.jpg", "train/deep/y.jpg", "train/z.jpg"]
    assert _ids(source, 10) == [ids]
    assert _ids(source, 2) == [ids[:2], ids[2:]]
    assert plan_folder(str(source)).left_out == {"links to folders in it": 4}


def test_images_are_read_when_loaded_with_their_size_known_before(tmp_path: Path) -> None:
    _touch(tmp_path, "x.jpg")
    (shard,) = plan_folder(str(tmp_path)).shards
    (sample,) = read_folder(shard)
    assert sample.size == len(b"x.jpg")
    assert sample.load is not None
    assert sample.load() == b"x.jpg"


def test_a_name_that_is_no_unicode_is_read(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg"))).write_bytes(b"!")
    (shard,) = plan_folder(str(tmp_path)).shards
    (sample,) = read_folder(shard_from_json(shard.to_json()))
    assert sample.load is not None
    assert sample.load() == b"!"


def test_a_shard_s_state_changes_with_its_images_and_their_texts_alone(tmp_path: Path) -> None:
    _touch(tmp_path, "a.jpg", "b.jpg")
    before = plan_folder(str(tmp_path)).shards
    _touch(tmp_path, "notes.txt", ".b.jpg")
    assert plan_folder(str(tmp_path)).shards == before
    states = {before[0].state}
    for name in ("c.jpg", "a.txt", "metadata.jsonl", "b.jpg"):
        _touch(tmp_path, name)
        os.utime(tmp_path / name, (1, len(states)))
        states.add(plan_folder(str(tmp_path)).shards[0].state)
    assert len(states) == 5


def test_a_pipe_or_device_by_the_name_of_an_image_is_an_error_row(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").symlink_to("/dev/zero")
    (tmp_path / "c.jpg").write_bytes(b"c" * 101)
    (tmp_path / "d.jpg").write_bytes(b"d")
    (tmp_path / "e.jpg").symlink_to("d.jpg")
    (shard,) = plan_folder(str(tmp_path)).shards
    (chunk,) = chunk_samples(shard.id, read_folder(shard), ChunkLimits(max_bytes=100))
    a, b, c, d, e = chunk.samples.to_pylist()
    assert "no file" in a["error"]
    assert "no file" in b["error"]
    assert c["error"] == "101 bytes are more than the limit of 100 (max_bytes); it was not read"
    assert (d["image"], e["image"]) == (b"d", b"d")
