"""Also for completed_chunks.py."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from maccap.config import AskConfig, DecodingConfig
from pipeline.chunk import Chunk
from pipeline.run.completed_chunks import unfinished
from pipeline.run.run_folder import RunFolder
from pipeline.stages.write import CaptionWriter
from pipeline.storage.errors import RunError, UserError
from tests.captions import CAPTION_SCHEMA, run_facts


def _write(path: Path, shard: str, position: int, last: bool = False, error: str | None = None) -> None:
    rows = CAPTION_SCHEMA.empty_table().from_pylist(
        [{"image_id": "x", "index": position, "error": error}], CAPTION_SCHEMA
    )
    CaptionWriter(f"{path}/captions", {}, CAPTION_SCHEMA)(Chunk(shard, position, last, rows))


def test_run_json_comes_first_and_success_last(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path / "run"))
    assert folder.recorded() is None
    folder.begin(run_facts())
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["captions", "run.json"]
    assert folder.recorded() == run_facts()
    folder.finish({"rows": 1})
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == {"rows": 1}
    assert (tmp_path / "run" / "_SUCCESS").exists()
    folder.begin(run_facts())
    assert not (tmp_path / "run" / "_SUCCESS").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "seed: was 0, now 1"),
        ({"model_fingerprint": "0" * 64}, "model_fingerprint: was ffff"),
        ({"decoding": DecodingConfig(top_p=0.5)}, "decoding.top_p: was 1.0, now 0.5"),
        ({"source": "/else"}, "source: was /data/tars, now /else"),
        ({"keys": "last-dot"}, "keys: was auto, now last-dot"),
        ({"chunk_rows": 5}, "chunk_rows: was 4, now 5"),
        ({"precision": "bfloat16"}, "precision: was float32, now bfloat16"),
        ({"candidate_batch": 8}, "candidate_batch: was"),
        ({"colour": "embedded"}, "colour: was ignored, now embedded"),
        ({"score_head_fingerprints": {"safe": "ab"}}, "score_head_fingerprints: was {}, now {'safe': 'ab'}"),
    ],
)
def test_a_run_with_other_settings_is_refused_and_leaves_no_mark(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    folder = RunFolder(str(tmp_path))
    folder.begin(run_facts())
    folder.finish({})
    with pytest.raises(UserError) as error:
        folder.begin(run_facts(**changes))
    assert message in str(error.value)
    assert "choose another OUTPUT" in str(error.value)
    assert folder.recorded() == run_facts()
    assert (tmp_path / "_SUCCESS").exists()


def test_a_moved_model_and_a_newer_version_may_resume(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path))
    folder.begin(run_facts())
    folder.begin(run_facts(model="s3://elsewhere", version="2"))


def test_questions_of_an_older_run_were_put_as_they_were_written(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path / "run"))
    folder.begin(run_facts(asking=AskConfig()))
    path = tmp_path / "run" / "run.json"
    written = json.loads(path.read_text())
    assert written["asking"].pop("capitalise")
    path.write_text(json.dumps(written))
    with pytest.raises(UserError, match=r"asking.capitalise: was False, now True"):
        folder.begin(run_facts(asking=AskConfig()))
    folder.begin(run_facts(asking=AskConfig(capitalise=False)))


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(UserError, match="not empty"):
        RunFolder(str(tmp_path)).begin(run_facts())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


@pytest.mark.parametrize("content", ["", "{", "{}", '{"seed": 1}'])
def test_a_damaged_run_json_is_a_clear_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UserError, match=r"run\.json"):
        RunFolder(str(tmp_path)).recorded()


def test_a_file_for_an_output_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"OUTPUT .*cannot be opened"):
        RunFolder(str(tmp_path / "file")).begin(run_facts())


def test_a_shard_is_complete_with_its_last_chunk_and_all_before(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path))
    folder.begin(run_facts())
    shards = ["whole.tar", "gap.tar", "open.tar", "untouched.tar"]
    for position in range(3):
        _write(tmp_path, "whole.tar", position, last=position == 2)
    _write(tmp_path, "gap.tar", 0)
    _write(tmp_path, "gap.tar", 2, last=True)
    _write(tmp_path, "open.tar", 0)
    written = folder.written()
    assert unfinished(shards, written) == ["gap.tar", "open.tar", "untouched.tar"]
    assert sorted(written.of_shard("gap.tar").positions) == [0, 2]
    assert written.of_shard("untouched.tar").positions == {}
    assert (written.chunks, written.rows, written.errors) == (6, 6, 0)


def test_chunks_with_errors_are_missing_when_errors_are_retried(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path))
    folder.begin(run_facts())
    _write(tmp_path, "a.tar", 0)
    _write(tmp_path, "a.tar", 1, last=True, error="connection lost")
    _write(tmp_path, "b.tar", 0, last=True)
    assert folder.written().errors == 1
    assert unfinished(["a.tar", "b.tar"], folder.written()) == []
    folder.remove_errors()
    kept = RunFolder(str(tmp_path)).written()  # as after an interruption
    assert unfinished(["a.tar", "b.tar"], kept) == ["a.tar"]
    assert sorted(kept.of_shard("a.tar").positions) == [0]


def test_chunks_of_a_longer_reading_are_removed_beyond_the_last(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path))
    folder.begin(run_facts())
    for position in range(4):
        _write(tmp_path, "a.tar", position, last=position in (1, 3))
    _write(tmp_path, "b.tar", 0, last=True)
    written = folder.remove_beyond_the_end()
    assert (written.chunks, written.rows) == (3, 3)
    assert sorted(written.of_shard("a.tar").positions) == [0, 1]
    assert unfinished(["a.tar", "b.tar"], written) == []
    assert len(list((tmp_path / "captions").iterdir())) == 3


def test_a_finished_run_says_so_until_it_begins_again(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path))
    folder.begin(run_facts())
    assert folder.finished() is None
    folder.finish({"rows": 1})
    folder.check(run_facts())
    assert json.loads(folder.finished() or b"") == {"rows": 1}
    folder.begin(run_facts())
    assert folder.finished() is None


def test_a_summary_that_cannot_be_written_is_a_run_error(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path))
    folder.begin(run_facts())
    (tmp_path / "summary.json").mkdir()  # as for a full disk, the write fails
    with pytest.raises(RunError, match=r"summary\.json cannot be written"):
        folder.finish({})
    assert not (tmp_path / "_SUCCESS").exists()


def test_an_output_on_no_known_filesystem_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UserError, match=r"OUTPUT nosuch://bucket/run cannot be opened: nosuch:// is no storage"
    ):
        RunFolder("nosuch://bucket/run")
    monkeypatch.setitem(sys.modules, "adlfs", None)  # not installed
    with pytest.raises(UserError, match=r"OUTPUT abfs://bucket/run cannot be opened: Install adlfs"):
        RunFolder("abfs://bucket/run")


def test_leftovers_and_damaged_chunks_are_not_counted(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path))
    folder.begin(run_facts())
    _write(tmp_path, "a.tar", 0, last=True)
    captions = tmp_path / "captions"
    whole = next(captions.iterdir())
    (captions / f".{whole.name}.00.tmp").write_bytes(b"half")
    os.utime(captions / f".{whole.name}.00.tmp", (0, 0))
    (captions / "notes.txt").write_text("")
    folder.begin(run_facts())
    assert sorted(path.name for path in captions.iterdir()) == [whole.name, "notes.txt"]
    whole.write_bytes(whole.read_bytes()[:100])
    assert unfinished(["a.tar"], folder.written()) == ["a.tar"]
