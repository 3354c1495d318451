"""The table of a run, read back by columns."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.chunk import chunk_file_name
from pipeline.inspect.caption_table import read_captions
from pipeline.storage.errors import UserError


@pytest.fixture
def run(tmp_path: Path) -> str:
    (tmp_path / "captions").mkdir()
    for position in range(2):
        table = pa.table({"image_id": [f"{position}-0", f"{position}-1"], "caption": ["a dog", None]})
        pq.write_table(table, tmp_path / "captions" / chunk_file_name("a.tar", position))
    return str(tmp_path)


def test_files_come_in_the_order_of_their_names(run: str) -> None:
    tables = list(read_captions(run, ["image_id"]))
    assert [table["image_id"].to_pylist() for table in tables] == [["0-0", "0-1"], ["1-0", "1-1"]]
    assert tables[0].column_names == ["image_id"]


@pytest.mark.parametrize(
    ("column", "said"), [("answers", "captioned and not asked"), ("clip_score", "other settings")]
)
def test_a_column_that_is_not_there(run: str, column: str, said: str) -> None:
    with pytest.raises(UserError, match=f"has no column {column}.*{said}"):
        list(read_captions(run, [column]))


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no captions"):
        list(read_captions(str(tmp_path), ["image_id"]))
