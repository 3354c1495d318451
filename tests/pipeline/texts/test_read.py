import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.storage.errors import UserError
from pipeline.texts.files import caption_files
from pipeline.texts.read import read_file
from tests.images import write_tar

TEXTS = [f"A dog and {number} cats." for number in range(300)]


def _files(tmp_path: Path) -> dict[str, bytes]:
    parquet = io.BytesIO()
    pq.write_table(pa.table({"caption": TEXTS}), parquet)
    members = [(f"{number:03d}.txt", text.encode()) for number, text in enumerate(TEXTS)]
    return {
        "x.txt": "\n".join(TEXTS).encode(),
        "x.token": "\n".join(TEXTS).encode(),
        "x.caption": "\n".join(TEXTS).encode(),
        "x.json": json.dumps({"annotations": [{"caption": text} for text in TEXTS]}).encode(),
        "x.jsonl": "\n".join(json.dumps({"caption": text}) for text in TEXTS).encode(),
        "x.ndjson": "\n".join(json.dumps({"caption": text}) for text in TEXTS).encode(),
        "x.csv": "\n".join(["caption", *TEXTS]).encode(),
        "x.tsv": "\n".join(["caption", *TEXTS]).encode(),
        "x.parquet": parquet.getvalue(),
        "x.tar": write_tar(tmp_path / "made.tar", members).read_bytes(),
    }


def _read(path: Path) -> list[str | None]:
    (file,) = caption_files([str(path)]).files
    return [
        found.text.strip() if found.text else None for found in read_file(file, "caption", lambda form: None)
    ]


def test_every_format_holds_the_same_captions_packed_or_not(tmp_path: Path) -> None:
    for name, data in _files(tmp_path).items():
        (tmp_path / name).write_bytes(data)
        assert _read(tmp_path / name) == TEXTS, name
        if name != "x.parquet":
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(data))
            assert _read(tmp_path / f"{name}.gz") == TEXTS, name


@pytest.mark.parametrize("name", ["x.json", "x.parquet", "x.tar", "x.txt.gz", "x.tar.gz", "x.jsonl.gz"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
def test_a_file_that_was_cut_short_is_named(tmp_path: Path, name: str, part: float) -> None:
    data = _files(tmp_path)[name.removesuffix(".gz")]
    data = gzip.compress(data) if name.endswith(".gz") else data
    # a tar's last tenth is padding that says nothing but that the tar is whole
    whole = len(data.rstrip(b"\0")) if name == "x.tar" else len(data)
    (tmp_path / name).write_bytes(data[: int(whole * part)])
    with pytest.raises(UserError, match=f"{name} cannot be read: .*cut short or damaged") as error:
        _read(tmp_path / name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["x.parquet", "x.tar", "x.txt.gz"])
def test_a_file_of_another_kind_than_its_name_says(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"A dog.\n" * 200)
    with pytest.raises(UserError, match=f"{name} cannot be read"):
        _read(tmp_path / name)


def test_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('caption\n"A dog.\n' + "A cat.\n" * 30_000)
    with pytest.raises(UserError, match=r"x.csv cannot be read: field larger than field limit"):
        _read(tmp_path / "x.csv")
