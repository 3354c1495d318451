"""Also for metadata.py."""

import base64
import json
import pickle
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.sources import (
    ChunkLimits,
    Sample,
    SourceOptions,
    chunk_samples,
    plan_source,
    read_shard,
    shard_from_json,
)
from tests.images import encoded, picture

IMAGES = [encoded(picture(n)) for n in range(5)]


def _read(path: Path, **options: str) -> list[Sample]:
    plan = plan_source(str(path), SourceOptions(**options))
    return [sample for shard in plan.shards for sample in read_shard(shard_from_json(shard.to_json()))]


def _write(path: Path, columns: dict[str, object], **options: int) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def _loaded(samples: list[Sample]) -> list[bytes | None]:
    return [sample.load() if sample.load else None for sample in samples]


def test_image_bytes_with_other_columns_as_metadata(tmp_path: Path) -> None:
    columns = {"jpg": IMAGES, "key": list("abcda"), "width": [1, 2, None, 4, 5], "thumbnail": IMAGES}
    samples = _read(_write(tmp_path / "x.parquet", columns, row_group_size=2))
    assert [sample.image_id for sample in samples] == ["x/a", "x/b", "x/c", "x/d", "x/a#2"]
    assert _loaded(samples) == IMAGES
    sizes = [len(image) + len(sample.metadata or "") for image, sample in zip(IMAGES, samples, strict=True)]
    assert [sample.size for sample in samples] == sizes
    assert json.loads(samples[2].metadata or "") == {"key": "c", "width": None}


def test_structs_of_bytes_and_path_as_hugging_face_writes_them(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(IMAGES[1])
    values = [{"bytes": IMAGES[0], "path": "a.jpg"}, {"bytes": None, "path": "b.jpg"}, None]
    samples = _read(_write(tmp_path / "x.parquet", {"image": values, "label": [0, 1, 2]}))
    assert [sample.image_id for sample in samples] == ["x/a.jpg", "x/b.jpg", "x/00000002"]
    assert _loaded(samples) == [IMAGES[0], IMAGES[1], None]
    assert samples[2].error == "column image is empty"


def test_paths_below_a_root_and_urls(tmp_path: Path) -> None:
    (tmp_path / "root" / "sub").mkdir(parents=True)
    (tmp_path / "root" / "sub" / "0.jpg").write_bytes(IMAGES[0])
    (tmp_path / "root" / "1.jpg").write_bytes(IMAGES[1])
    (tmp_path / "2.jpg").write_bytes(IMAGES[2])
    names = ["sub/0.jpg", f"file://{tmp_path}/root/1.jpg", f"file://{tmp_path}/2.jpg", "gone.jpg"]
    path = _write(tmp_path / "x.parquet", {"picture": names})
    samples = _read(path, image_root=str(tmp_path / "root"), image_column="picture")
    assert _loaded(samples[:2]) == IMAGES[:2]
    assert "does not lie below" in (samples[2].error or "")
    with pytest.raises(FileNotFoundError):
        _loaded(samples[3:])


def _bad_text(texts: list[bytes]) -> pa.Array:
    """A column of strings that are not checked, as other writers leave them."""
    return pa.Array.from_buffers(pa.string(), len(texts), pa.array(texts, pa.binary()).buffers())


BEYOND = {
    "text": _bad_text([b"a", b"caf\xe9", b"c"]),
    "date": pa.array([0, 4_000_000, 0], pa.int32()).cast(pa.date32()),
    "zone": pa.array([0, 1, 2], pa.timestamp("s", tz="Nowhere/None")),
    "nested": pa.ListArray.from_arrays([0, 1, 2, 3], _bad_text([b"a", b"\xff", b"c"])),
    "time": pa.array([2**50, 1, 0], pa.int64()).cast(pa.timestamp("ms")),
}


@pytest.mark.parametrize("name", BEYOND)
def test_a_cell_of_another_column_never_costs_an_image(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"image": IMAGES[:3], "id": [0, 1, 2], name: BEYOND[name]}), path)
    samples = _read(path)
    assert _loaded(samples) == IMAGES[:3]
    assert [sample.image_id for sample in samples] == ["x/0", "x/1", "x/2"]
    told = [json.loads(sample.metadata or "") for sample in samples]
    for row in told:
        assert (row[name] is None) == (name in row.get("maccap_notes", {}))
    assert any(row[name] is None for row in told)


def test_what_python_can_tell_of_any_type_is_metadata(tmp_path: Path) -> None:
    columns = {
        "image": IMAGES[:1],
        "score": [float("nan")],
        "scores": pa.array([[1.0, float("-inf")]]),
        "price": pa.array([Decimal("1.50")]),
        "took": pa.array([timedelta(seconds=5)]),
        "tags": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        "uuid": pa.array([bytes(16)], pa.uuid()),
        "word": pa.array(["猫"]).dictionary_encode(),
        "view": pa.array(["seen"], pa.string_view()),
        "nothing": pa.nulls(1),
    }
    (sample,) = _read(_write(tmp_path / "x.parquet", columns))

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(sample.metadata or "", parse_constant=refuse) == {
        "score": None,
        "scores": [1.0, None],
        "price": "1.50",
        "took": "0:00:05",
        "tags": [["a", 1]],
        "uuid": "00000000-0000-0000-0000-000000000000",
        "word": "猫",
        "view": "seen",
        "nothing": None,
    }


def test_binary_at_any_depth_is_no_metadata_and_is_not_read(tmp_path: Path) -> None:
    crop = {"bytes": IMAGES[1], "path": "crop.jpg"}
    columns = {
        "image": IMAGES[:1],
        "crops": pa.array([[crop]]),
        "masks": pa.array([[IMAGES[2]]]),
        "by_name": pa.array([[("a", IMAGES[2])]], pa.map_(pa.string(), pa.binary())),
        "deep": pa.array([{"a": {"b": IMAGES[3], "c": 1}}]),
        "hash": pa.array([b"0123"], pa.binary(4)),
    }
    (sample,) = _read(_write(tmp_path / "x.parquet", columns))
    assert json.loads(sample.metadata or "") == {"crops": [{"path": "crop.jpg"}], "deep": {"a": {"c": 1}}}


def test_a_registered_type_that_unpickles_is_not_let(tmp_path: Path) -> None:
    objects = pytest.importorskip("ray.data._internal.object_extensions.arrow")

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (tmp_path / "ran",)

    storage = pa.array([pickle.dumps(Trap())], pa.large_binary())
    trap = pa.ExtensionArray.from_storage(objects.ArrowPythonObjectType(), storage)
    beside = _read(_write(tmp_path / "beside.parquet", {"image": IMAGES[:1], "other": trap}))
    assert (beside[0].metadata, _loaded(beside)) == (None, IMAGES[:1])
    with pytest.raises(ValueError, match="not images"):
        _read(_write(tmp_path / "x.parquet", {"image": trap}), image_column="image")
    assert not (tmp_path / "ran").exists()


_AS_BASE64 = [base64.b64encode(image).decode() for image in IMAGES[:3]]
_URI = f"data:image/jpeg;base64,{_AS_BASE64[2]}"


@pytest.mark.parametrize(
    "column",
    [
        pa.array(IMAGES[:3], pa.large_binary()),
        pa.array(IMAGES[:3], pa.binary_view()),
        pa.array(IMAGES[:3]).dictionary_encode(),
        pa.array([_AS_BASE64[0], _AS_BASE64[1].rstrip("="), _URI]),
        pa.array([_AS_BASE64[0], _AS_BASE64[1], _URI], pa.string_view()),
        pa.array([_AS_BASE64[0], _AS_BASE64[1], _URI]).dictionary_encode(),
        pa.array([{"bytes": image, "path": None} for image in IMAGES[:3]]),
        pa.StructArray.from_arrays(
            [pa.array(IMAGES[:3]), _bad_text([b"\xff", b"b.jpg", b"c.jpg"])], ["bytes", "path"]
        ),
    ],
    ids=lambda column: str(column.type)[:40],
)
def test_images_in_every_form_are_read(tmp_path: Path, column: pa.Array) -> None:
    samples = _read(_write(tmp_path / "x.parquet", {"image": column}))
    assert _loaded(samples) == IMAGES[:3]
    assert all(len(sample.image_id) < 30 for sample in samples)


def test_a_bad_value_of_the_image_or_the_id_costs_its_row_alone(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(IMAGES[number])
    columns = {
        "path": _bad_text([b"0.jpg", b"\xff.jpg", b"2.jpg"]),
        "id": _bad_text([b"a", b"b", b"\xfe"]),
    }
    samples = _read(_write(tmp_path / "x.parquet", columns))
    assert [sample.image_id for sample in samples] == ["x/a", "x/b", "x/2.jpg"]
    assert [sample.error for sample in samples] == [None, "column path holds a text that is not UTF-8", None]
    assert _loaded(samples) == [IMAGES[0], None, IMAGES[2]]


def test_ids_are_without_secrets_and_of_sensible_length(tmp_path: Path) -> None:
    urls = ["https://host/x.jpg?X-Amz-Signature=SECRET", "https://user:SECRET@host/y.jpg", "z" * 3000]
    ids = [sample.image_id for sample in _read(_write(tmp_path / "x.parquet", {"URL": urls}))]
    assert not any("SECRET" in image_id for image_id in ids)
    assert ids[1] == "x/https://host/y.jpg"
    assert max(map(len, ids)) < 600
    assert len(set(ids)) == 3


def test_the_batches_of_wide_rows_are_small(tmp_path: Path) -> None:
    wide = {"image": IMAGES[:1] * 40, "page": [f"{n}" + "x" * (1 << 20) for n in range(40)]}
    samples = _read(_write(tmp_path / "x.parquet", wide))
    chunks = list(chunk_samples("x", samples, ChunkLimits(bytes=8 << 20)))
    assert sum(chunk.samples.num_rows for chunk in chunks) == 40
    assert max(chunk.samples.nbytes for chunk in chunks) < 10 << 20


def test_metadata_beyond_the_limit_is_a_note(tmp_path: Path) -> None:
    (shard,) = plan_source(
        str(_write(tmp_path / "x.parquet", {"image": IMAGES[:1], "page": ["x" * 5000]}))
    ).shards
    (sample,) = read_shard(shard, 3000)
    assert "5011 bytes" not in (sample.metadata or "")
    assert list(json.loads(sample.metadata or "")) == ["maccap_notes"]


def test_a_late_file_without_the_column_is_an_error_of_its_own(tmp_path: Path) -> None:
    _write(tmp_path / "a.parquet", {"image": IMAGES[:1]})
    _write(tmp_path / "b.parquet", {"text": ["a"]})
    rows = []
    for shard in plan_source(str(tmp_path)).shards:
        for chunk in chunk_samples(shard.id, read_shard(shard), ChunkLimits()):
            rows += chunk.samples.to_pylist()
    assert [row["error"] is None for row in rows] == [True, False]
    assert "cannot be told from text (string)" in rows[1]["error"]


def test_a_folder_of_parquet_files_is_a_shard_each(tmp_path: Path) -> None:
    for number in range(3):
        _write(tmp_path / f"part-{number}.parquet", {"image": IMAGES[number : number + 1]})
    plan = plan_source(str(tmp_path))
    assert [shard.id for shard in plan.shards] == [f"part-{n}.parquet" for n in range(3)]
    assert _loaded(_read(tmp_path)) == IMAGES[:3]


def test_a_damaged_file_ends_in_an_exception_after_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1 no parquet PAR1")
    (shard,) = plan_source(str(path)).shards
    with pytest.raises((OSError, ValueError)):
        list(read_shard(shard))
