"""csv_rows.py, json_lines.py, parquet.py, column_names.py: tables without images, equal to the run's."""

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pyarrow.parquet as pq
import pytest

from pipeline.export.column_names import url_of
from pipeline.storage.errors import UserError
from tests.pipeline.export.runs import Row, captioned, export, tars, write_run
from tests.tables import table_of

FORMULAS = ("=1+1", "+a", "-a", "@a", "\ta")
HOSTILE = (
    *FORMULAS,
    'a "quoted", comma',
    "two\nlines",
    "a\u2028b",
    "naïve 猫",
    "'a",
    "\x00",
    "a\rb",
    "a\r\nb",
)
METADATA = json.dumps({"url": "https://a.example/x.jpg", "sha256": "ab", "key": "000001", "punsafe": 0.5})


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> str:
    def fields(row: Row) -> Row:
        known = {"metadata": METADATA, "original_caption": "alt text here", "original_clip_score": 0.25}
        return {**captioned(row), **known, "caption": HOSTILE[row["index"]], "flags": ["short"]}

    folder = tmp_path_factory.mktemp("tables")
    source = tars(folder / "in", 1, len(HOSTILE))
    return write_run(folder / "run", source, fields, existing_caption="txt")


def _rows(run: str) -> list[dict[str, Any]]:
    return table_of(run).to_pylist()


def test_json_lines(hostile_run: str, tmp_path: Path) -> None:
    export(hostile_run, tmp_path / "out", "jsonl", per_file=8)
    files = sorted((tmp_path / "out").glob("train-*.jsonl"))
    assert [file.name for file in files] == ["train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl"]
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    columns = ("image_id", "caption", "metadata", "width", "clip_score")
    assert [[line[name] for name in columns] for line in lines] == [
        [row[name] for name in columns] for row in _rows(hostile_run)
    ]


def test_csv_holds_no_formula(hostile_run: str, tmp_path: Path) -> None:
    summary = export(hostile_run, tmp_path / "out", "csv")
    with (tmp_path / "out/train-00000-of-00001.csv").open(newline="") as file:
        captions = [row["caption"] for row in csv.DictReader(file)]
    assert captions == [f"'{text}" if text in FORMULAS else text for text in HOSTILE]
    assert list(summary.notes.values()) == [5]


def test_csv_with_ends_of_lines_in_cells_is_read_by_others(hostile_run: str, tmp_path: Path) -> None:
    export(hostile_run, tmp_path / "out", "csv", where="index in (0, 6, 11, 12)")
    path = tmp_path / "out/train-00000-of-00001.csv"
    captions = ["'=1+1", "two\nlines", "a\rb", "a\r\nb"]
    assert pandas.read_csv(path)["caption"].to_list() == captions
    assert [text for (text,) in duckdb.sql(f"SELECT caption FROM read_csv('{path}')").fetchall()] == captions


def test_csv_has_a_line_per_caption(run: str, tmp_path: Path) -> None:
    export(run, tmp_path / "out", "csv", captions=2)
    with (tmp_path / "out/train-00000-of-00001.csv").open(newline="") as file:
        lines = [(row["image_id"], row["caption"]) for row in csv.DictReader(file)]
    assert lines[:2] == [("part-000/0000", "a picture of part-000/0000"), ("part-000/0000", "it is bad")]
    assert len(lines) == 22


def test_csv_has_the_score_of_each_caption(hostile_run: str, tmp_path: Path) -> None:
    export(hostile_run, tmp_path / "out", "csv", captions=None, where="index = 5")
    with (tmp_path / "out/train-00000-of-00001.csv").open(newline="") as file:
        lines = [(row["caption"], float(row["clip_score"]), row["flags"]) for row in csv.DictReader(file)]
    texts = (HOSTILE[5], f"a picture of {_rows(hostile_run)[5]['image_id']}", "it is bad", "it is worse")
    scores = pytest.approx([0.5, 0.5, 0.4, 0.3])
    assert tuple(text for text, _, _ in lines) == texts
    assert [score for _, score, _ in lines] == scores
    assert [flags for _, _, flags in lines] == ['["short"]', "", "", ""]


def test_parquet(hostile_run: str, tmp_path: Path) -> None:
    export(hostile_run, tmp_path / "out", "parquet", per_file=4)
    files = sorted((tmp_path / "out").glob("*.parquet"))
    assert [pq.read_metadata(file).num_rows for file in files] == [4, 4, 4, 1]
    found = duckdb.sql(f"SELECT * FROM '{tmp_path}/out/*.parquet' ORDER BY index").to_arrow_table()
    assert found.to_pylist() == [
        {k: v for k, v in row.items() if k in found.column_names} for row in _rows(hostile_run)
    ]
    assert {"candidates", "metadata", "original_clip_score"} <= set(found.column_names)


def test_the_columns_of_recap(hostile_run: str, tmp_path: Path) -> None:
    export(hostile_run, tmp_path / "out", "parquet", columns="recap")
    row = pq.read_table(tmp_path / "out/train-00000-of-00001.parquet").to_pylist()[5]
    assert row == {
        "url": "https://a.example/x.jpg",
        "re_caption": HOSTILE[5],
        "org_caption": "alt text here",
        "sha256": "ab",
        "key": "000001",
        "re_clip_score": pytest.approx(0.5),
        "org_clip_score": 0.25,
        "re_length": 3,
        "org_length": 3,
        "re_gpt4v_score": None,
        "org_gpt4v_score": None,
    }


def test_the_columns_of_recap_where_an_image_kept_its_caption(archive: Path, tmp_path: Path) -> None:
    def own(row: Row) -> Row:
        return {"original_caption": "its own", "sha256": "cd", "metadata": METADATA}

    run = write_run(tmp_path / "run", archive, own, existing_caption="txt", only_missing=True)
    export(run, tmp_path / "out", "parquet", columns="recap")
    (row, *_) = pq.read_table(tmp_path / "out/train-00000-of-00001.parquet").to_pylist()
    assert (row["org_caption"], row["org_length"], row["sha256"]) == ("its own", 2, "cd")
    assert (row["re_caption"], row["re_length"]) == (None, None)


def test_the_address_of_an_archived_image() -> None:
    address = "https://web.archive.org/web/2020/http://a.example/x.jpg"
    assert url_of(f"list/{address}", {}) == address


def test_the_columns_of_laion_coco(hostile_run: str, run: str, tmp_path: Path) -> None:
    export(hostile_run, tmp_path / "out", "parquet", columns="laion-coco")
    row = pq.read_table(tmp_path / "out/train-00000-of-00001.parquet").to_pylist()[5]
    assert (row["URL"], row["TEXT"], row["top_caption"]) == (
        "https://a.example/x.jpg",
        "alt text here",
        HOSTILE[5],
    )
    assert row["all_captions"][1:] == ["it is bad", "it is worse"]
    assert row["all_similarities"] == pytest.approx([0.5, 0.4, 0.3])
    assert (row["WIDTH"], row["similarity"], row["punsafe"], row["hash"]) == (48, 0.25, 0.5, None)
    export(run, tmp_path / "bare", "parquet", columns="laion-coco")
    bare = pq.read_table(tmp_path / "bare/train-00000-of-00001.parquet")
    assert bare.schema.equals(pq.read_schema(tmp_path / "out/train-00000-of-00001.parquet"))
    assert bare["URL"].null_count == bare["TEXT"].null_count == 11


def test_an_option_of_another_format(run: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--columns is of parquet, not of csv"):
        export(run, tmp_path / "out", "csv", columns="recap")
