import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.storage.errors import UserError
from pipeline.texts import parquet
from pipeline.texts.found import Found
from pipeline.texts.parquet import read_parquet


def _read(column: pa.Array, name: str | None = "caption") -> list[Found]:
    file = io.BytesIO()
    pq.write_table(pa.table({"id": pa.nulls(len(column)), "caption": column}), file)
    return list(read_parquet(io.BytesIO(file.getvalue()), "x.parquet", name, [].append))


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.binary(),
        pa.large_binary(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.string_view(),
    ],
)
def test_texts_of_every_type(kind: pa.DataType) -> None:
    assert _read(pa.array(["Ein Hund", None, "猫"], pa.string()).cast(kind)) == [
        Found("Ein Hund", 1),
        Found(None, 2),
        Found("猫", 3),
    ]


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.large_list(pa.large_string())])
def test_lists_of_texts(kind: pa.DataType) -> None:
    column = pa.array([["A dog.", "A cat."], [], None, [None]], kind)
    assert _read(column) == [Found("A dog.", 1), Found("A cat.", 1), Found(None, 3), Found(None, 4)]


def test_known_names_and_splits() -> None:
    table = pa.table({"URL": ["u"] * 3, "TEXT": ["a", "b", None], "split": ["train", None, "test"]})
    file, notes = io.BytesIO(), list[str]()
    pq.write_table(table, file)
    assert list(read_parquet(io.BytesIO(file.getvalue()), "x.parquet", None, notes.append)) == [
        Found("a", 1, "train"),
        Found("b", 2),
        Found(None, 3, "test"),
    ]
    assert notes == ["table with captions in `TEXT`"]


def test_rows_are_numbered_over_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_BATCH_ROWS", 3)
    texts = [f"caption {number}" for number in range(10)]
    assert _read(pa.array(texts)) == [Found(text, row) for row, text in enumerate(texts, 1)]


def test_a_text_that_is_no_utf8_spoils_only_its_row() -> None:
    column = pa.array([b"A dog.", b"A \xff cat."], pa.binary()).view(pa.string())
    assert _read(column) == [Found("A dog.", 1), Found("A \udcff cat.", 2)]


def test_a_column_that_is_missing_or_no_text_is_named() -> None:
    with pytest.raises(UserError, match=r"x.parquet has no column `text`.*--column: id, caption"):
        _read(pa.array(["A dog."]), "text")
    with pytest.raises(UserError, match=r"column `caption` holds int64, not text"):
        _read(pa.array([1]))
    with pytest.raises(UserError, match=r"column `caption` holds list<.*not text"):
        _read(pa.array([[1]]))
