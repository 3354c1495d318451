import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import UserError
from pipeline.sources import Sample, Shard, SourceOptions, plan_source, read_shard
from tests.images import encoded, picture

IMAGES = [encoded(picture(n)) for n in range(5)]


def _read(path: Path, **options: str) -> list[Sample]:
    plan = plan_source(str(path), SourceOptions(**options))
    return [sample for shard in plan.shards for sample in read_shard(Shard.from_json(shard.to_json()))]


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
    (tmp_path / "1.jpg").write_bytes(IMAGES[1])
    names = ["sub/0.jpg", f"file://{tmp_path}/1.jpg", "gone.jpg"]
    path = _write(tmp_path / "x.parquet", {"picture": names})
    with pytest.raises(UserError, match="--image-column"):
        _read(path)
    samples = _read(path, image_root=str(tmp_path / "root"), image_column="picture")
    assert _loaded(samples[:2]) == IMAGES[:2]
    with pytest.raises(FileNotFoundError):
        _loaded(samples[2:])


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
