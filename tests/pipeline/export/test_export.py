"""export.py, parts.py, write_part.py, run_table.py, second_look.py: exports, interrupted and refused."""

import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.export.export import export_run, told
from pipeline.export.format import Example, Notes, Place
from pipeline.export.json_lines import JsonLines
from pipeline.export.options import ExportOptions
from pipeline.export.parts import FileRows, Part, plan_parts
from pipeline.export.selection import SelectedRows
from pipeline.storage.errors import RunError, UserError
from pipeline.storage.files import locate
from tests.faulty_proxy import FaultyProxy
from tests.images import picture, write_shard
from tests.pipeline.export.runs import captioned, export, tars, write_run
from tests.tables import file_hashes


def _files(folder: Path) -> dict[str, int]:
    """When each file was last written."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
    }


def test_an_export_says_what_it_is(run: str, tmp_path: Path) -> None:
    summary = export(run, tmp_path / "out", "jsonl")
    assert json.loads((tmp_path / "out/export.json").read_text())["format"] == "jsonl"
    stored = json.loads((tmp_path / "out/summary.json").read_text())
    assert (stored["rows"], stored["examples"]) == (12, {"train": 11})
    assert stored["left_out"] == {"with an error": 1}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md", "_SUCCESS", "export.json", "summary.json", "train-00000-of-00001.jsonl",
    ]  # fmt: skip
    assert list(told(summary)) == [
        f"11 of 12 rows in {tmp_path}/out as jsonl: 11 train",
        "left out: 1 with an error",
    ]


def test_the_same_command_again_writes_nothing(run: str, tmp_path: Path) -> None:
    first = export(run, tmp_path / "out", "csv")
    before = _files(tmp_path / "out")
    assert export(run, tmp_path / "out", "csv") == first
    assert _files(tmp_path / "out") == before


def test_an_interrupted_export_goes_on(run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = export(run, tmp_path / "whole", "jsonl", per_file=3)
    with monkeypatch.context() as patch:
        write = JsonLines.write_part

        def stop_at_the_third(
            form: JsonLines, examples: Iterable[Example], place: Place, folder: str
        ) -> Notes:
            if place.number == 2:
                raise KeyboardInterrupt
            return write(form, examples, place, folder)

        patch.setattr(JsonLines, "write_part", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            export(run, tmp_path / "out", "jsonl", per_file=3)
    before = _files(tmp_path / "out")
    assert not (tmp_path / "out/_SUCCESS").exists()
    (tmp_path / "out" / f".{'0' * 32}.tmp").write_text("what a kill leaves")
    resumed = export(run, tmp_path / "out", "jsonl", per_file=3)
    kept = [name for name in before if name.endswith(".jsonl")]
    assert len(kept) == 2
    assert {name: _files(tmp_path / "out")[name] for name in kept} == {name: before[name] for name in kept}
    assert resumed.examples == whole.examples
    assert not list((tmp_path / "out").glob(".*"))
    for path in (tmp_path / "whole").glob("*.jsonl"):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_of_two_at_once_one_says_that_the_other_was(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = JsonLines.write_part

    def after_another(form: JsonLines, examples: Iterable[Example], place: Place, folder: str) -> Notes:
        monkeypatch.undo()
        export(run, tmp_path / "out", "jsonl")
        return write(form, examples, place, folder)

    monkeypatch.setattr(JsonLines, "write_part", after_another)
    with pytest.raises(RunError, match="another command exports the same there, and has finished"):
        export(run, tmp_path / "out", "jsonl")
    assert export(run, tmp_path / "out", "jsonl").examples == {"train": 11}


def test_an_export_among_the_images_is_refused(run: str, archive: Path, tmp_path: Path) -> None:
    for output in (archive / "out", tmp_path / ".." / archive.parent / "tars/out"):
        with pytest.raises(UserError, match=r"OUTPUT .* lies in the run's SOURCE .*/tars, and"):
            export(run, output, "jsonl")
    export(run, archive / "../beside", "jsonl")


def test_a_run_without_rows(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", tars(tmp_path / "in", 1, 0))
    with pytest.raises(UserError, match="has no row to export yet"):
        export(run, tmp_path / "out", "jsonl")


def test_a_folder_of_something_else_is_refused(run: str, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match=r"is not empty and holds no export.json"):
        export(run, tmp_path, "jsonl")
    with pytest.raises(UserError, match=r"is not empty and holds no export.json"):
        export(run, run, "jsonl")
    export(run, tmp_path / "out", "jsonl")
    differs = r"holds a run's export with other settings:\n  where: was nothing, now index < 3\n"
    with pytest.raises(UserError, match=differs):
        export(run, tmp_path / "out", "jsonl", where="index < 3")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    for folder in ("none", "photos"):
        with pytest.raises(UserError, match=rf"RUN .*{folder} is no run\. Give the OUTPUT"):
            export(str(tmp_path / folder), tmp_path / "new", "jsonl")
    with pytest.raises(
        UserError, match="no row to export: of 12 rows 1 with an error, 11 not as --where says"
    ):
        export(run, tmp_path / "new", "jsonl", where="index > 99")
    assert not (tmp_path / "new").exists()


def test_a_run_that_has_gone_on_is_another(tmp_path: Path, archive: Path) -> None:
    run = write_run(tmp_path / "run", archive, finished=False)
    (last, *_) = sorted((tmp_path / "run/captions").iterdir(), reverse=True)
    content = last.read_bytes()
    last.unlink()
    summary = export(run, tmp_path / "out", "jsonl")
    assert (summary.examples, summary.unfinished) == ({"train": 10}, True)
    assert "the run is not finished: the rows that it lacks are not in this export" in told(summary)
    last.write_bytes(content)
    with pytest.raises(UserError, match="rows: was"):
        export(run, tmp_path / "out", "jsonl")


def test_a_file_of_an_older_version_lacks_a_column(tmp_path: Path, archive: Path) -> None:
    run = write_run(tmp_path / "run", archive)
    old = sorted((tmp_path / "run/captions").iterdir())[0]
    pq.write_table(pq.read_table(old).drop_columns(["clip_score", "candidates"]), old)
    export(run, tmp_path / "out", "jsonl", where="clip_score is null or index = 0")
    lines = (tmp_path / "out/train-00000-of-00001.jsonl").read_text().splitlines()
    assert [json.loads(line).get("clip_score") for line in lines] == [None] * 4 + [0.0]


def test_low_captions_are_listed_whatever_else_is_exported(run: str, archive: Path, tmp_path: Path) -> None:
    summary = export(run, tmp_path / "out", "jsonl", below=0.15, where="clip_score > 0.3")
    lines = [json.loads(line) for line in (tmp_path / "out/second_look/below.jsonl").read_text().splitlines()]
    assert summary.below == len(lines) == 4
    assert lines[0] == {
        "image_id": "part-000/0000",
        "shard": "part-000.tar",
        "index": 0,
        "caption": "a picture of part-000/0000",
        "clip_score": 0.0,
        "url": str(archive / "part-000.tar"),
    }


def test_a_caption_is_kept_or_low(run: str, tmp_path: Path) -> None:
    """A score of 0.3 in single precision is above 0.3 in double."""
    summary = export(run, tmp_path / "out", "jsonl", where="clip_score >= 0.3", below=0.3)
    assert (summary.examples, summary.below) == ({"train": 5}, 6)


def test_images_of_a_folder_are_listed_by_their_path(tmp_path: Path) -> None:
    (tmp_path / "in/a").mkdir(parents=True)
    picture().save(tmp_path / "in/a/b.png")
    export(write_run(tmp_path / "run", tmp_path / "in"), tmp_path / "out", "imagefolder", below=1.0)
    (line,) = (tmp_path / "out/second_look/below.jsonl").read_text().splitlines()
    assert json.loads(line)["url"] == str(tmp_path / "in/a/b.png")
    assert (tmp_path / "out/train/00000/00000_a_b_png.png").read_bytes() == (
        tmp_path / "in/a/b.png"
    ).read_bytes()


def test_parts_hold_every_row_once() -> None:
    import numpy as np

    splits = {f"a-{'0' * 16}.{n:05d}.parquet": np.array([0, 1, 0, -1, 0], np.int8) for n in range(3)}
    selection = SelectedRows(["train", "val"], splits)
    parts = plan_parts(selection, 4, {})
    counts = [sum(len(file.rows()) for file in part.files) for part in parts]
    assert dict(zip([part.place.name for part in parts], counts, strict=True)) == {
        "train-00000-of-00003": 4,
        "train-00001-of-00003": 4,
        "train-00002-of-00003": 1,
        "val-00000-of-00001": 3,
    }
    rows = [(f.name, row) for p in parts for f in p.files for row in f.rows()]
    assert len(set(rows)) == len(rows) == 12
    assert Part.from_row(parts[1].to_row()) == parts[1]
    assert FileRows.pack("x", 9, np.array([0, 8])).rows().tolist() == [0, 8]


def test_an_export_of_a_run_on_s3_to_s3(run: str, s3: FaultyProxy, tmp_path: Path) -> None:
    filesystem, _ = locate("s3://bucket")
    filesystem.put(run, "bucket/exported-run", recursive=True)
    before = file_hashes(Path(run))
    export("s3://bucket/exported-run", "s3://bucket/export-of-it", "webdataset", per_file=6)
    export(run, tmp_path / "out", "webdataset", per_file=6)
    for path in (tmp_path / "out").glob("*.tar"):
        assert filesystem.cat_file(f"bucket/export-of-it/{path.name}") == path.read_bytes()
    assert filesystem.exists("bucket/export-of-it/_SUCCESS")
    assert not filesystem.exists("bucket/export-of-it/.parts")
    assert file_hashes(Path(run)) == before


def test_tars_of_one_name_stay_apart(tmp_path: Path) -> None:
    write_shard(tmp_path / "in/a*.tar", 2)
    write_shard(tmp_path / "in/a?.tar", 3)
    export(write_run(tmp_path / "run", tmp_path / "in"), tmp_path / "out", "webdataset")
    assert sorted(path.name for path in (tmp_path / "out/train").iterdir()) == ["a_#2.tar", "a_.tar"]


def test_an_export_to_memory(run: str) -> None:
    export(run, "memory://out", "jsonl")
    filesystem, _ = locate("memory://out")
    assert len(filesystem.cat_file("/out/train-00000-of-00001.jsonl").splitlines()) == 11


def test_no_image_at_all_is_no_export(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", tars(tmp_path / "in", 1), captioned)
    (tmp_path / "in/part-000.tar").write_bytes(b"x" * 10240)
    with pytest.raises(RunError, match="no image of the run could be read: 6 in a shard that is gone"):
        export_run(run, str(tmp_path / "out"), ExportOptions(format="webdataset"), local=True)
    assert not (tmp_path / "out/_SUCCESS").exists()
