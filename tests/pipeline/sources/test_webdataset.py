"""Also for members.py and unordered.py."""

import gzip
import json
import random
from pathlib import Path

import pytest
import zstandard

from pipeline.sources.sample import ChunkLimits, Sample, chunk_samples
from pipeline.sources.shard import Shard
from pipeline.sources.webdataset import TarArgs, read_webdataset
from tests.images import encoded, picture, write_shard, write_tar

JPEG = encoded(picture())


def _shard(path: Path) -> Shard:
    return Shard(path.name, "webdataset", str(path), TarArgs())


def _read(path: Path) -> list[Sample]:
    return list(read_webdataset(_shard(path)))


def _rows(path: Path) -> list[dict]:
    chunks = chunk_samples(path.name, read_webdataset(_shard(path)), ChunkLimits(2))
    return [row for chunk in chunks for row in chunk.samples.to_pylist()]


def test_members_of_one_key_are_one_sample(tmp_path: Path) -> None:
    members = [
        ("deep/er/a.jpg", JPEG),
        ("deep/er/a.json", b'{"id":  1.50, "url": "x"}'),
        ("b.json", b"{}"),
        ("b.PNG", encoded(picture(1), "PNG")),
    ]
    a, b = _read(write_tar(tmp_path / "x.tar", members))
    assert (a.image_id, b.image_id) == ("x/deep/er/a", "x/b")
    assert a.load is not None
    assert a.load() == JPEG
    assert a.metadata == '{"id":  1.50, "url": "x"}'  # to the byte
    assert b.error is None


def test_text_members_join_the_metadata_and_never_override_it(tmp_path: Path) -> None:
    members = [
        ("a.jpg", JPEG),
        ("a.txt", "ein Hündchen".encode()),
        ("a.cls", b"7"),
        ("a.json", b'{"txt": "mine", "n": [1]}'),
        ("a.npy", b"\x93NUMPY"),
    ]
    (sample,) = _read(write_tar(tmp_path / "x.tar", members))
    assert json.loads(sample.metadata or "") == {"txt": "mine", "n": [1], "cls": "7"}


@pytest.mark.parametrize(
    ("raw", "kept"),
    [(b"{broken", "{broken"), (b"[1, 2]", [1, 2]), (b"\xff", "\ufffd"), (b'"\\ud800"', "\ud800")],
)
def test_json_that_is_no_object_is_kept_as_it_is(tmp_path: Path, raw: bytes, kept: object) -> None:
    (sample,) = _read(write_tar(tmp_path / "x.tar", [("a.jpg", JPEG), ("a.json", raw)]))
    assert sample.metadata is not None
    sample.metadata.encode()
    assert json.loads(sample.metadata) == {"json": kept}


def test_samples_of_one_key_all_get_a_row_and_an_id_of_their_own(tmp_path: Path) -> None:
    names = ["a.jpg", "a.jpg", "b.jpg", "a.jpg", "a#2.jpg"]
    samples = _read(write_tar(tmp_path / "x.tar", [(name, JPEG) for name in names]))
    assert [sample.image_id for sample in samples] == ["x/a", "x/a#2", "x/b", "x/a#3", "x/a#2#2"]


def test_a_sample_without_an_image_is_an_error_row(tmp_path: Path) -> None:
    a, b = _read(write_tar(tmp_path / "x.tar", [("a.json", b"{}"), ("a.npy", b""), ("b.jpg", JPEG)]))
    assert a.error == "the sample holds no image, only: json, npy"
    assert a.metadata == "{}"
    assert b.error is None


def test_each_image_of_a_sample_is_a_row(tmp_path: Path) -> None:
    members = [("a.mask.png", b"mask"), ("a.jpg", JPEG), ("a.json", b"{}"), ("b.left.jpg", JPEG)]
    samples = _read(write_tar(tmp_path / "x.tar", members))
    assert [sample.image_id for sample in samples] == ["x/a.mask.png", "x/a.jpg", "x/b"]
    assert [sample.load() for sample in samples if sample.load] == [b"mask", JPEG, JPEG]
    assert [sample.metadata for sample in samples] == ["{}", "{}", None]


def _shuffled(count: int) -> list[tuple[str, bytes]]:
    members = [(f"{n:05d}.jpg", encoded(picture(n))) for n in range(count)]
    members += [(f"{n:05d}.json", json.dumps({"number": n}).encode()) for n in range(count)]
    random.Random(1).shuffle(members)
    return members


@pytest.mark.parametrize("count", [2, 40, 300])
def test_samples_whose_members_stand_apart_are_put_together(tmp_path: Path, count: int) -> None:
    members = _shuffled(count)
    rows = _rows(write_tar(tmp_path / "x.tar", members))
    assert sorted(row["image_id"] for row in rows) == [f"x/{n:05d}" for n in range(count)]
    content = dict(members)
    for row in rows:
        name = row["image_id"].removeprefix("x/")
        assert row["image"] == content[f"{name}.jpg"]
        assert row["metadata"].encode() == content[f"{name}.json"]
    assert [row["index"] for row in rows] == list(range(count))


@pytest.mark.parametrize("order", [("jpg", "json"), ("json", "jpg")])
def test_all_images_first_or_last_are_put_together(tmp_path: Path, order: tuple[str, str]) -> None:
    """As `tar cf x.tar *.jpg *.json` writes them: the first names do not tell."""
    content = {"jpg": JPEG, "json": b'{"caption": "one"}'}
    members = [(f"{n:05d}.{ending}", content[ending]) for ending in order for n in range(400)]
    rows = _rows(write_tar(tmp_path / "x.tar", members))
    assert [row["image_id"] for row in rows] == [f"x/{n:05d}" for n in range(400)]
    assert {row["error"] for row in rows} == {None}
    assert {row["metadata"] for row in rows} == {'{"caption": "one"}'}


def test_a_tar_of_images_alone_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("pipeline.sources.webdataset._apart")
    rows = _rows(write_tar(tmp_path / "x.tar", [(f"{n:05d}.jpg", JPEG) for n in range(400)]))
    assert [row["image_id"] for row in rows] == [f"x/{n:05d}" for n in range(400)]


def test_a_shuffled_tar_cut_short_keeps_what_is_whole(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", _shuffled(40))
    whole = _rows(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    rows = _rows(path)
    assert 5 < len(rows) < 40
    images = {row["image_id"]: row["image"] for row in whole}
    with_image = [row for row in rows if row["image"]]
    assert all(row["image"] == images[row["image_id"]] for row in with_image)
    assert rows[-1]["error"].startswith("the rest of shard x.tar cannot be read: ")


def test_members_that_stand_apart_in_a_packed_tar_are_told(tmp_path: Path) -> None:
    """It cannot be read here and there; what is found too late is an error row, and nothing is silent."""
    path = write_tar(tmp_path / "x.tar", [("a.jpg", JPEG), ("b.jpg", JPEG), ("a.json", b"{}")])
    packed = tmp_path / "x.tar.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert [row["image_id"] for row in _rows(path)] == ["x/a", "x/b"]
    *_, late = _rows(packed)
    assert late["image_id"] == "x/a#2"
    assert "write the tar sorted by name" in late["error"]


def test_hidden_files_and_folders_are_no_samples(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", [("._a.jpg", b"apple"), ("README", b"?"), ("a.jpg", JPEG)])
    assert [sample.image_id for sample in _read(path)] == ["x/a"]


def test_unicode_and_undecodable_names(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", [("naïve 猫 🐈.jpg", JPEG), ("bad\udcff.jpg", JPEG)])
    rows = _rows(path)
    assert [row["image_id"] for row in rows] == ["x/naïve 猫 🐈", "x/bad\\udcff"]


def test_a_compressed_tar_is_read_as_well(tmp_path: Path) -> None:
    plain = write_shard(tmp_path / "x.tar", 2)
    whole = _rows(plain)
    for name, pack in (
        ("x.tar.gz", gzip.compress),
        ("x.tgz", gzip.compress),
        ("x.tar.zst", zstandard.compress),
    ):
        packed = tmp_path / name
        packed.write_bytes(pack(plain.read_bytes()))
        assert [{**row, "shard": "x.tar"} for row in _rows(packed)] == whole
        packed.write_bytes(packed.read_bytes()[:-40])
        assert "cannot be read" in _rows(packed)[-1]["error"]


def _cuts() -> dict[str, int]:
    """Byte positions in a tar of three samples, each a JPEG and a small JSON of two blocks."""
    block = 512
    jpeg = block + -(-len(encoded(picture(0))) // block) * block
    return {
        "inside an image": jpeg + 2 * block + 700,
        "inside a header": jpeg + 2 * block + 100,
        "between two samples": jpeg + 2 * block,
        "inside the json": jpeg + block + 3,
        "before the end blocks": 3 * (jpeg + 2 * block),
    }


@pytest.mark.parametrize(
    ("where", "whole"),
    [
        ("inside an image", 1),
        ("inside a header", 1),
        ("between two samples", 1),
        ("inside the json", 1),
        ("before the end blocks", 3),
    ],
)
def test_a_tar_cut_short_keeps_what_came_before(tmp_path: Path, where: str, whole: int) -> None:
    image = encoded(picture(0))
    members = [
        (f"{n}.{kind}", image if kind == "jpg" else b"{}") for n in range(3) for kind in ("jpg", "json")
    ]
    path = write_tar(tmp_path / "x.tar", members)
    path.write_bytes(path.read_bytes()[: _cuts()[where]])
    rows = _rows(path)
    assert [row["image_id"] for row in rows] == [*(f"x/{n}" for n in range(whole)), "x.tar"]
    assert [row["image"] for row in rows[:-1]] == [image] * whole
    assert rows[-1]["error"].startswith("the rest of shard x.tar cannot be read: ")


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path: Path) -> None:
    image = encoded(picture(0))
    path = write_tar(tmp_path / "x.tar", [("a.jpg", image), ("b.jpg", image)])
    data = bytearray(path.read_bytes())
    second = 512 + -(-len(image) // 512) * 512
    data[second : second + 512] = b"\x01" * 512
    path.write_bytes(data)
    rows = _rows(path)
    assert [row["image_id"] for row in rows] == ["x/a", "x.tar"]
    assert "damaged" in rows[-1]["error"]


@pytest.mark.parametrize("content", [b"", b"this is no tar" * 100])
def test_a_file_that_is_no_tar_is_one_error_row(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    (row,) = _rows(path)
    assert row["error"].startswith("the rest of shard x.tar cannot be read: ")


def test_a_missing_tar_is_one_error_row(tmp_path: Path) -> None:
    (row,) = _rows(tmp_path / "gone.tar")
    assert "gone.tar" in row["error"]


def test_an_empty_archive_has_no_rows(tmp_path: Path) -> None:
    assert _rows(write_tar(tmp_path / "x.tar", [])) == []
