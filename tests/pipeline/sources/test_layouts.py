"""Also for image_tables.py, parquet_roles.py, text_members.py and tree.py: the folders that other tools
write: each image once, with what describes it, and said in one line.
"""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.sources import ChunkLimits, SourcePlan, chunk_samples, plan_source, read_shard
from pipeline.sources.folder import plan_folder
from pipeline.storage.errors import UserError
from tests.images import encoded, picture, write_tar

JPEG = encoded(picture())


def _read(source: object) -> tuple[SourcePlan, dict[str, dict]]:
    plan = plan_source(str(source))
    rows: dict[str, dict] = {}
    for shard in plan.shards:
        for chunk in chunk_samples(shard.id, read_shard(shard), ChunkLimits(2)):
            for row in chunk.samples.to_pylist():
                assert row["image_id"] not in rows
                rows[row["image_id"]] = row
    assert all(row["image"] == JPEG and row["error"] is None for row in rows.values()), rows
    return plan, rows


def _put(path: Path, content: bytes | str = JPEG) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def _metadata(rows: dict[str, dict]) -> dict[str, object]:
    return {image_id: json.loads(row["metadata"] or "null") for image_id, row in rows.items()}


def test_img2dataset_webdataset(tmp_path: Path) -> None:
    keys = [f"00000000{n}" for n in range(3)]
    members = [
        (f"{k}.{end}", c) for k in keys for end, c in (("jpg", JPEG), ("json", b'{"a": 1}'), ("txt", b"x"))
    ]
    for shard in ("00000", "00001"):
        write_tar(tmp_path / f"{shard}.tar", members)
        urls = [f"http://127.0.0.1:9/{key}.jpg" for key in keys]
        pq.write_table(pa.table({"url": urls, "key": keys}), tmp_path / f"{shard}.parquet")
        _put(tmp_path / f"{shard}_stats.json", "{}")
    plan, rows = _read(tmp_path)
    assert sorted(rows) == sorted(f"{shard}/{key}" for shard in ("00000", "00001") for key in keys)
    assert _metadata(rows)["00000/000000000"] == {"a": 1, "txt": "x"}
    assert plan.line() == (
        "2 tars (names in 00000.tar: key up to the first dot); left out: .json (2), tables of the images (2)"
    )


def test_img2dataset_by_a_pattern(tmp_path: Path) -> None:
    """Its tables are no images again, but a pattern of Parquet files alone means them."""
    write_tar(tmp_path / "00000.tar", [("0.jpg", JPEG)])
    pq.write_table(pa.table({"url": ["http://127.0.0.1:9/0.jpg"]}), tmp_path / "00000.parquet")
    pq.write_table(pa.table({"jpg": [JPEG]}), tmp_path / "00001.parquet")
    write_tar(tmp_path / "00001.tar", [("0.jpg", JPEG)])
    plan, rows = _read(f"{tmp_path}/*")
    assert sorted(rows) == ["00000/0", "00001.parquet/00000000", "00001.tar/0"]
    assert plan.left_out == {"tables of the images": 1}
    assert len(plan_source(f"{tmp_path}/*.parquet").shards) == 2


def test_a_pattern_of_images_is_told_what_to_give(tmp_path: Path) -> None:
    _put(tmp_path / "a.jpg")
    with pytest.raises(
        UserError, match=r"It matches \.jpg \(1\): give images that are files by their folder"
    ):
        plan_source(f"{tmp_path}/*.jpg")


def test_img2dataset_files(tmp_path: Path) -> None:
    for n in range(3):
        name = tmp_path / "00000" / f"00000000{n}"
        _put(name.with_suffix(".jpg"))
        _put(name.with_suffix(".json"), json.dumps({"key": n}))
        _put(name.with_suffix(".txt"), f"caption {n}")
    pq.write_table(pa.table({"url": ["http://127.0.0.1:9/x.jpg"], "key": ["0"]}), tmp_path / "00000.parquet")
    _put(tmp_path / "00000_stats.json", "{}")
    plan, rows = _read(tmp_path)
    assert _metadata(rows) == {f"00000/00000000{n}.jpg": {"key": n, "txt": f"caption {n}"} for n in range(3)}
    assert plan.line() == (
        "a folder of 3 images, 3 of them with texts or a table; left out: .json (1), tables of the images (1)"
    )
    with pytest.raises(UserError, match=r"tables of the images \(1\): give images"):
        plan_source(f"{tmp_path}/*")


def test_img2dataset_parquet_holds_the_images(tmp_path: Path) -> None:
    table = pa.table({"url": ["http://127.0.0.1:9/x.jpg"] * 2, "key": ["0", "1"], "jpg": [JPEG] * 2})
    pq.write_table(table, tmp_path / "00000.parquet")
    _put(tmp_path / "00000_stats.json", "{}")
    assert list(_read(tmp_path)[1]) == ["00000/0", "00000/1"]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_imagefolder(tmp_path: Path, kind: str) -> None:
    rows = [{"file_name": f"{n}.jpg", "text": f"é {n}"} for n in range(3)] + [
        {"file_name": "deep/x.jpg", "text": "d"}
    ]
    for row in rows:
        _put(tmp_path / "train" / row["file_name"])
    _put(tmp_path / "train" / "untold.jpg")
    table = tmp_path / "train" / f"metadata.{kind}"
    if kind == "jsonl":
        _put(table, "\n".join(json.dumps(row) for row in [*rows, {"file_name": "gone.jpg"}]))
    elif kind == "csv":
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["file_name", "text"])
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), table)
    told = {f"train/{row['file_name']}": row for row in rows}
    plan, found = _read(tmp_path)
    assert _metadata(found) == {**told, "train/untold.jpg": None}
    assert plan.line() == "a folder of 5 images, 5 of them with texts or a table"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_as_spreadsheets_write_it_and_with_another_name(tmp_path: Path, separator: str) -> None:
    _put(tmp_path / "a.jpg")
    _put(tmp_path / "metadata.csv", f"\ufefftext{separator}image_file_name\na cat{separator}a.jpg\n")
    _, rows = _read(tmp_path)
    assert _metadata(rows) == {"a.jpg": {"text": "a cat", "image_file_name": "a.jpg"}}


def test_a_quote_that_is_never_closed_costs_no_other_row(tmp_path: Path) -> None:
    lines = ["file_name,text", *(f"{number}.jpg,A dog" for number in range(9))]
    lines[3] = '2.jpg,"Parking'
    _put(tmp_path / "metadata.csv", "\n".join(lines))
    for number in range(9):
        _put(tmp_path / f"{number}.jpg")
    texts = {name: row["text"] for name, row in _metadata(_read(tmp_path)[1]).items()}
    assert texts == {f"{number}.jpg": '"Parking' if number == 2 else "A dog" for number in range(9)}


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_table_that_names_no_files_says_so(tmp_path: Path, kind: str) -> None:
    _put(tmp_path / "a.jpg")
    table = tmp_path / f"metadata.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"image_name": ["a.jpg"], "n": [1]}), table)
    else:
        _put(table, '{"image_name": "a.jpg", "n": 1}' if kind == "jsonl" else "image_name,n\na.jpg,1\n")
    (row,) = _metadata(_read(tmp_path)[1]).values()
    assert row == {
        "maccap_notes": {
            table.name: "it cannot be read on: it has no column file_name, but image_name, n",
        }
    }


def test_texts_of_windows_have_no_mark_before_them(tmp_path: Path) -> None:
    _put(tmp_path / "a.jpg")
    _put(tmp_path / "a.txt", "\ufeffa cat")
    _put(tmp_path / "a.json", '\ufeff{"n": 1}')
    assert _metadata(_read(tmp_path)[1]) == {"a.jpg": {"txt": "a cat", "n": 1}}


def test_a_damaged_table_costs_no_image(tmp_path: Path) -> None:
    _put(tmp_path / "a.jpg")
    _put(tmp_path / "b.jpg")
    _put(tmp_path / "metadata.jsonl", '{"file_name": "a.jpg", "n": 1}\n{"file_name": "b.jpg", ')
    a, b = _metadata(_read(tmp_path)[1]).values()
    assert a == {"file_name": "a.jpg", "n": 1}
    assert "line 2 is no JSON" in b["maccap_notes"]["metadata.jsonl"]


def test_kohya_pairs_and_gallery_dl(tmp_path: Path) -> None:
    _put(tmp_path / "10_cat" / "a.v2.jpg")
    _put(tmp_path / "10_cat" / "a.v2.txt", "a cat, sitting")
    _put(tmp_path / "10_cat" / "b.png")
    _put(tmp_path / "10_cat" / "b.caption", "a cat")
    _put(tmp_path / "10_cat" / "c.jpg")
    _put(tmp_path / "10_cat" / "c.jpg.json", '{"tags": [1]}')
    _put(tmp_path / "10_cat" / "notes.txt", "mine")
    plan, rows = _read(tmp_path)
    assert _metadata(rows) == {
        "10_cat/a.v2.jpg": {"txt": "a cat, sitting"},
        "10_cat/b.png": {"caption": "a cat"},
        "10_cat/c.jpg": {"tags": [1]},
    }
    assert plan.left_out == {".txt": 1}


def test_a_tar_as_macos_writes_it(tmp_path: Path) -> None:
    apple = b"\0\5\x16\7" + b"\0" * 100
    members = [("./._photos", apple), ("./photos/._a.jpg", apple), ("./photos/a.jpg", JPEG)]
    members += [("./photos/.DS_Store", apple), ("__MACOSX/photos/._b.jpg", apple), ("./photos/b.jpg", JPEG)]
    write_tar(tmp_path / "photos.tar", members)
    _put(tmp_path / "._photos.tar", apple)
    plan, rows = _read(tmp_path)
    assert list(rows) == ["photos/photos/a", "photos/photos/b"]
    assert plan.left_out == {"hidden": 1}


def test_archives_whose_names_differ_in_their_endings_alone(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", [("a.jpg", JPEG)])
    write_tar(tmp_path / "x.tgz", [("a.jpg", JPEG)])
    pq.write_table(pa.table({"image": [JPEG], "key": ["a"]}), tmp_path / "x.parquet")
    write_tar(tmp_path / "y.tar", [("a.jpg", JPEG)])
    assert list(_read(tmp_path)[1]) == ["x.parquet/a", "x.tar/a", "x.tgz/a", "y/a"]


def test_an_unpacked_tar_beside_itself(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", [("a.jpg", JPEG)])
    _put(tmp_path / "x" / "a.jpg")
    plan, rows = _read(tmp_path)
    assert sorted(rows) == ["x.tar/a", "x/a.jpg"]
    assert plan.line().endswith("and a folder of 1 image beside them")


def test_a_training_output_and_a_run_are_left_out(tmp_path: Path) -> None:
    _put(tmp_path / "a.jpg")
    _put(tmp_path / "model" / "train.json", "{}")
    _put(tmp_path / "model" / "metrics" / "0.jsonl", "")
    _put(tmp_path / "model" / "training.png")
    _put(tmp_path / "out" / "run.json", "{}")
    _put(tmp_path / "out" / "captions" / "a-0123456789abcdef.00000.parquet", "")
    plan, rows = _read(tmp_path)
    assert list(rows) == ["a.jpg"]
    assert plan.left_out == {"run folders": 2}
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(UserError, match=r"is empty: .*run folders \(2\)"):
        plan_source(str(tmp_path))


@pytest.mark.parametrize("source", ["a.tar::b.tar", "{a,b}.tar::c.tar"])
def test_a_list_as_webdataset_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    for name in "abc":
        write_tar(tmp_path / f"{name}.tar", [("0.jpg", JPEG)])
    monkeypatch.chdir(tmp_path)
    assert list(_read(source)[1]) == [f"{name}/0" for name in "abc" if name in source.replace(".tar", "")]


def test_a_list_may_hold_patterns_and_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("s-0", "s-1", "t"):
        write_tar(tmp_path / "home" / f"{name}.tar", [("0.jpg", JPEG)])
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "list.txt").write_text("~/s-{0..1}.tar\nhome/*.tar\n")
    assert list(_read(f"@{tmp_path}/list.txt")[1]) == ["s-0/0", "s-1/0", "t/0"]


def test_a_folder_that_grew_keeps_its_ranges(tmp_path: Path) -> None:
    for n in range(10, 20):
        _put(tmp_path / f"{n}.jpg")
    before = plan_folder(str(tmp_path), 4).shards
    _put(tmp_path / "00.jpg")
    _put(tmp_path / "155.jpg")
    pinned = [shard.args for shard in before]
    after = plan_folder(str(tmp_path), 4, pinned).shards
    assert [shard.id for shard in after] == [shard.id for shard in before]
    assert [a.state != b.state for a, b in zip(after, before, strict=True)] == [True, True, False]
    for n in range(30, 40):
        _put(tmp_path / f"{n}.jpg")
    grown = plan_folder(str(tmp_path), 4, pinned).shards
    assert len(grown) > len(before)
    assert [shard.id for shard in grown[:3]] == [shard.id for shard in before]
    ids = [sample.image_id for shard in grown for sample in read_shard(shard)]
    assert ids == sorted(path.name for path in tmp_path.iterdir())


def test_a_folder_that_changes_while_it_is_read_ends_the_run(tmp_path: Path) -> None:
    _put(tmp_path / "a.jpg")
    (shard,) = plan_source(str(tmp_path)).shards
    _put(tmp_path / "b.jpg")
    with pytest.raises(UserError, match="has changed since this run was planned"):
        list(read_shard(shard))


def test_a_tar_that_is_replaced_before_it_is_read_ends_the_run(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [("0.jpg", JPEG)])
    (shard,) = plan_source(str(tmp_path)).shards
    write_tar(tmp_path / "a.tar", [("0.jpg", JPEG), ("1.jpg", JPEG)])
    with pytest.raises(UserError, match=r"a\.tar has changed since this run was planned"):
        list(read_shard(shard))


def test_a_list_that_is_replaced_before_it_is_read_ends_the_run(tmp_path: Path) -> None:
    _put(tmp_path / "a.jpg")
    _put(tmp_path / "list.json", '{"images": [{"file_name": "a.jpg"}]}')
    (shard,) = plan_source(str(tmp_path / "list.json")).shards
    _put(tmp_path / "list.json", '{"images": [{"file_name": "a.jpg", "id": 1}]}')
    with pytest.raises(UserError, match=r"list\.json has changed since this run was planned"):
        list(read_shard(shard))


def test_a_table_of_urls_beside_other_images_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"URL": ["http://127.0.0.1:9/x.jpg"]}), tmp_path / "part-0.parquet")
    _put(tmp_path / "assets" / "banner.jpg")
    with pytest.raises(UserError, match=r"part-0\.parquet names images by URL, which may be others"):
        plan_source(str(tmp_path))
    assert plan_source(f"{tmp_path}/*.parquet").line() == "1 Parquet file"


def test_a_table_of_the_paths_of_images_beside_it_is_no_second_source(tmp_path: Path) -> None:
    _put(tmp_path / "images" / "a.jpg")
    pq.write_table(pa.table({"file_name": ["images/a.jpg"], "text": ["x"]}), tmp_path / "data.parquet")
    plan, rows = _read(tmp_path)
    assert list(rows) == ["images/a.jpg"]
    assert plan.left_out == {"tables of the images": 1}


def test_a_table_format_s_own_files_are_no_images(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [JPEG]}), tmp_path / "part-0.parquet")
    for name in ("_delta_log/00000.checkpoint.parquet", "_temporary/0/part-0.parquet"):
        _put(tmp_path / name, (tmp_path / "part-0.parquet").read_bytes())
    _put(tmp_path / "_SUCCESS", "")
    _put(tmp_path / "_DSC0001.jpg")
    plan, rows = _read(tmp_path)
    assert list(rows) == ["part-0/00000000", "_DSC0001.jpg"]
    assert plan.left_out == {"a table format's own": 2, "without extension": 1}
