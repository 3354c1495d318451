"""Which column holds the images, and what is refused before a run begins."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.sources.image_column import check_columns, image_column
from pipeline.storage.errors import UserError

HF = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(columns)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (_schema(URL=pa.string(), TEXT=pa.string(), WIDTH=pa.float64(), hash=pa.int64()), "URL"),
        (_schema(image_url=pa.large_string(), caption=pa.string()), "image_url"),
        (_schema(img_path=pa.string_view(), label=pa.int64()), "img_path"),
        (_schema(filepath=pa.string()), "filepath"),
        (_schema(coco_url=pa.string(), id=pa.int64()), "coco_url"),
        (_schema(PNG=pa.binary()), "PNG"),
        (_schema(webp=pa.binary_view(), url=pa.string()), "webp"),
        (_schema(image=HF, image_url=pa.string()), "image"),
        (_schema(image=pa.binary(), jpg=pa.binary()), "image"),
        (_schema(jpg=pa.dictionary(pa.int32(), pa.string())), "jpg"),
        (_schema(image=pa.list_(pa.float32()), url=pa.string()), "url"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_names_of_the_field_in_any_case(schema: pa.Schema, expected: str) -> None:
    assert image_column(schema) == expected


def test_what_hugging_face_says_of_its_columns_counts_before_names() -> None:
    features = {"info": {"features": {"scan": {"_type": "Image"}, "jpg": {"_type": "Value"}}}}
    schema = _schema(scan=HF, jpg=pa.binary()).with_metadata({"huggingface": json.dumps(features)})
    assert image_column(schema) == "scan"
    assert image_column(schema.with_metadata({"huggingface": "[]"})) == "jpg"


@pytest.mark.parametrize(
    ("schema", "wanted", "message"),
    [
        (_schema(image=pa.binary()), "imgae", "no column 'imgae'; the columns are image"),
        (_schema(images=pa.list_(HF)), "images", "Write one image a row"),
        (_schema(images=pa.list_(HF)), "", "Write one image a row"),
        (_schema(image=pa.float32(), n=pa.int64()), "image", "holds float, not images"),
        (_schema(image=pa.list_(pa.uint8())), "image", "holds list<item: uint8>"),
        (_schema(text=pa.string()), "", "cannot be told from text"),
        (_schema(file_name=pa.string(), url=pa.string()), "", "any of the columns file_name, url"),
        (_schema(URL=pa.string(), url=pa.string()), "", "any of the columns URL, url"),
        (_schema(png=pa.binary(), jpg=pa.binary()), "", "any of the columns png, jpg"),
        (pa.schema([("image", pa.binary()), ("image", pa.binary())]), "image", "2 columns 'image'"),
    ],
)
def test_what_the_user_must_say_or_put_right(schema: pa.Schema, wanted: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        image_column(schema, wanted)
    assert "--image-column" in str(raised.value)


def _files(folder: Path, *tables: dict[str, object] | None) -> list[tuple[str, str]]:
    files = []
    for number, table in enumerate(tables):
        path = folder / f"{number:03d}.parquet"
        if table is None:
            path.write_bytes(b"no parquet")
        else:
            pq.write_table(pa.table(table), path)
        files.append((str(path), ""))
    return files


def test_all_files_are_looked_at_before_a_run(tmp_path: Path) -> None:
    good: dict[str, object] = {"image": [b"x"]}
    gone = (str(tmp_path / "gone.parquet"), "")
    check_columns([*_files(tmp_path, good, None, {"url": ["a"]}), gone])
    with pytest.raises(UserError, match=r"002\.parquet: .* cannot be told from n \(int64\)"):
        check_columns(_files(tmp_path, good, good, {"n": [1]}, good))


def test_of_very_many_files_some_are_looked_at(tmp_path: Path) -> None:
    files = _files(tmp_path, {"image": [b"x"]})
    check_columns(files * 10_000)
