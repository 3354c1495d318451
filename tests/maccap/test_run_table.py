"""A run's table as one data set, from a folder or a URL."""

from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from maccap.run_table import read_table


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two files of captions, the first of an earlier version, and what is no caption beside them."""
    folder = tmp_path / "run/captions"
    folder.mkdir(parents=True)
    old = pa.table({"image_id": ["a", "b"], "caption": ["a dog", None]})
    pq.write_table(old.replace_schema_metadata({"maccap.chunk": "0"}), folder / "s.00000.parquet")
    new = pa.table({"image_id": ["c"], "caption": ["a cat"], "clip_score": pa.array([0.5], pa.float32())})
    pq.write_table(new.replace_schema_metadata({"maccap.chunk": "1"}), folder / "s.00001.parquet")
    (folder / ".s.00002.parquet.123.tmp").write_text("half")
    (folder / ".s.00002.parquet").write_text("half")
    return tmp_path / "run"


ROWS = [
    {"image_id": "a", "caption": "a dog", "clip_score": None},
    {"image_id": "b", "caption": None, "clip_score": None},
    {"image_id": "c", "caption": "a cat", "clip_score": 0.5},
]


def test_a_folder(run: Path) -> None:
    table = read_table(str(run))
    assert table.to_table().to_pylist() == ROWS
    assert table.schema.metadata is None


def test_some_of_it(run: Path) -> None:
    import pyarrow.dataset as ds

    table = read_table(f"{run}/").to_table(columns=["image_id"], filter=ds.field("clip_score") > 0.25)
    assert table.to_pylist() == [{"image_id": "c"}]


def test_a_url(run: Path) -> None:
    memory = fsspec.filesystem("memory")
    for path in (run / "captions").glob("s.*.parquet"):
        memory.pipe_file(f"/table/captions/{path.name}", path.read_bytes())
    assert read_table("memory://table").to_table().to_pylist() == ROWS


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no captions"):
        read_table(str(tmp_path))
