"""Also for shard.py: a real run, damaged in every way one file can be: verification names it, and the same
command fixes it.
"""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.caption import caption_archive
from pipeline.chunk import chunk_file_name
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.execution.in_process import caption_in_process
from pipeline.prepare import open_bundle, run_facts
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import RunFolder
from pipeline.sources import plan_source
from pipeline.storage.errors import UserError
from pipeline.verify import Verification, verify_run
from tests.images import encoded, picture, write_shard, write_tar

CONFIG = CaptionJobConfig(chunk_rows=2)
Run = tuple[Path, Path]
"""The archive, and the finished run over it."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Run:
    """Five samples in three files; a tar cut short; an empty one; a good one with an error in it."""
    top = tmp_path_factory.mktemp("verify")
    archive, output = top / "tars", top / "run"
    write_shard(archive / "a.tar", 5)
    cut = write_shard(archive / "b.tar", 3, 50)
    cut.write_bytes(cut.read_bytes()[:-11_000])
    write_tar(archive / "c.tar", [])
    write_tar(archive / "d.tar", [("x.jpg", encoded(picture(9))), ("y.jpg", b"no image"), ("z.json", b"{}")])
    _caption(archive, output, small_bundle)
    return archive, output


def _caption(archive: Path, output: Path, model: Path) -> None:
    """The same command, without Ray."""
    bundle, plan = open_bundle(str(model)), plan_source(str(archive))
    facts = run_facts(str(archive), plan, str(model), bundle, CONFIG, "float32")
    folder = RunFolder(str(output))
    folder.begin(facts)
    folder.pin(plan.shards)
    kept = folder.written()
    work = [ShardWork(shard, kept.of_shard(shard.id).kept) for shard in plan.shards]
    for _ in caption_in_process(CaptionStages(str(output), bundle.pixel_spec(), facts, CONFIG), work):
        pass
    caption_archive(str(archive), str(output), str(model), CONFIG)


@pytest.fixture
def run(whole: Run, tmp_path: Path) -> Path:
    shutil.copytree(whole[1], tmp_path / "run")
    return tmp_path / "run"


def _verify(run: Path, with_source: bool = True) -> tuple[list[str], Verification]:
    problems: list[str] = []
    return problems, verify_run(str(run), with_source, problems.append, nullcontext)


@pytest.mark.parametrize("with_source", [True, False])
def test_a_whole_run_has_no_problems(run: Path, with_source: bool) -> None:
    problems, found = _verify(run, with_source)
    assert problems == []
    assert (found.shards, found.shards_checked, found.chunks) == (4, 4, 7)
    rows = pq.read_table(run / "captions")
    assert (found.rows, found.errors) == (rows.num_rows, rows.num_rows - rows["error"].null_count)
    assert found.unread_shards == 1


def _file(run: Path, shard: str = "a.tar", position: int = 1) -> Path:
    return run / "captions" / chunk_file_name(shard, position)


def _rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """As a program that knows Parquet and nothing of runs would."""
    pq.write_table(change(pq.read_table(path)), path)


def _without_rows(run: Path) -> None:
    _rewrite(_file(run, position=2), lambda table: table.slice(0, 0))


def _shuffled(table: pa.Table) -> pa.Table:
    return table.take([1, 0])


def _swapped(run: Path) -> None:
    a, b = _file(run, position=0), _file(run, position=1)
    content = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(content)


def _miscounted(run: Path) -> None:
    path = run / "summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "rows": 1000}))


DAMAGES: dict[str, tuple[Callable[[Path], object], str, bool]] = {
    # what is done to the run; what is said; whether it is seen without the source
    "a file gone": (lambda run: _file(run).unlink(), r"00001\.parquet is missing\. Start", True),
    "a last file gone": (
        lambda run: _file(run, position=2).unlink(),
        r"00002\.parquet is missing: the shard",
        True,
    ),
    "all files of a shard gone": (
        lambda run: [_file(run, position=n).unlink() for n in range(3)],
        r"a-\w+\.00000\.parquet is missing",
        False,
    ),
    "an empty shard's file gone": (
        lambda run: _file(run, "c.tar", 0).unlink(),
        r"c-\w+\.00000\.parquet is missing",
        False,
    ),
    "cut short": (
        lambda run: _file(run).write_bytes(_file(run).read_bytes()[:-100]),
        r"00001\.parquet is damaged and cannot be read .*Remove it and start",
        True,
    ),
    "empty": (lambda run: _file(run).write_bytes(b""), r"00001\.parquet is damaged", True),
    "doubled behind the end": (
        lambda run: shutil.copy(_file(run), _file(run, position=3)),
        r"00003\.parquet lies behind the last file",
        True,
    ),
    "doubled in place of another": (
        lambda run: shutil.copy(_file(run, position=0), _file(run, position=1)),
        r"00001\.parquet is a copy: it was written as number 0",
        True,
    ),
    "swapped": (_swapped, r"00000\.parquet is a copy", True),
    "doubled under another shard's name": (
        lambda run: shutil.copy(_file(run, "d.tar", 0), _file(run, "a.tar", 0)),
        r"a-\w+\.00000\.parquet holds rows of another shard \(d\.tar\)",
        False,
    ),
    "of a shard that is none": (
        lambda run: shutil.copy(_file(run, "a.tar", 0), _file(run, "e.tar", 0)),
        r"e-\w+\.00000\.parquet belongs to no shard that the run was planned on\. Remove it",
        False,
    ),
    "rows dropped": (_without_rows, r"00002\.parquet holds other rows than were written", True),
    "rows in another order": (lambda run: _rewrite(_file(run), _shuffled), r"holds other rows", True),
    "a caption altered": (
        lambda run: _rewrite(_file(run), lambda t: t.set_column(5, "caption", pa.array(["mine", "too"]))),
        r"holds other rows",
        True,
    ),
    "written again by another program": (
        lambda run: _rewrite(_file(run), lambda t: t),
        r"is not the file that was written",
        True,
    ),
    "a column gone": (
        lambda run: _rewrite(_file(run), lambda t: t.drop_columns(["caption"])),
        r"has other columns .*it lacks caption",
        True,
    ),
    "a column of another type": (
        lambda run: _rewrite(_file(run), lambda t: t.set_column(2, "index", t["index"].cast(pa.int32()))),
        r"of another type index",
        True,
    ),
    "a column more": (
        lambda run: _rewrite(_file(run), lambda t: t.append_column("new", pa.array([1, 2]))),
        r"foreign new",
        True,
    ),
    "no footer of ours": (
        lambda run: _rewrite(_file(run), lambda t: t.replace_schema_metadata({})),
        r"is not of a captioning run",
        True,
    ),
    "a foreign file": (
        lambda run: (run / "captions" / "notes.txt").write_text("x"),
        r"captions/notes\.txt is not a file of the run\. Remove it",
        True,
    ),
    "no marker": (
        lambda run: (run / "_SUCCESS").unlink(),
        r"_SUCCESS is missing: the run is not finished",
        True,
    ),
    "no summary": (lambda run: (run / "summary.json").unlink(), r"summary\.json is missing", True),
    "a damaged summary": (
        lambda run: (run / "summary.json").write_text("{"),
        r"summary\.json is damaged",
        True,
    ),
    "other totals": (_miscounted, r"summary\.json counts 1000 rows, and the files hold \d", True),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_named_on_one_line_and_mended_as_it_says(
    whole: Run, run: Path, small_bundle: Path, damage: str
) -> None:
    do, said, without_source = DAMAGES[damage]
    do(run)
    problems, found = _verify(run)
    assert any(re.search(said, problem) for problem in problems), problems
    assert found.problems == len(problems) <= 2
    assert not any("\n" in problem for problem in problems)
    assert bool(_verify(run, with_source=False)[0]) or not without_source
    for problem in problems:
        if "Remove it" in problem:
            Path(problem.split(" ")[0]).unlink()
    if any("start the same" in problem.lower() for problem in problems):
        _caption(whole[0], run, small_bundle)
    assert _verify(run)[0] == []


def test_a_run_of_other_settings_is_not_taken_for_this_one(whole: Run, run: Path) -> None:
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "seed": 5}))
    problems, _ = _verify(run)
    assert len(problems) == 7
    assert all("is of another run, with another seed" in problem for problem in problems)


def test_a_source_that_changed_is_told_from_a_damaged_run(whole: Run, run: Path, tmp_path: Path) -> None:
    archive = tmp_path / "tars"
    shutil.copytree(whole[0], archive)
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "source": str(archive)}))
    write_shard(archive / "a.tar", 6)
    problems, _ = _verify(run)
    assert len(problems) == 1
    assert (
        "is not what the run was planned on: 1 changed: a.tar. Start the same command again with"
        in problems[0]
    )


def test_a_shard_that_is_there_by_now_is_told(whole: Run, run: Path, tmp_path: Path) -> None:
    archive = tmp_path / "tars"
    shutil.copytree(whole[0], archive)
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "source": str(archive)}))
    assert _verify(run)[0] == []  # the same archive in another place
    write_shard(archive / "b.tar", 3, 50)
    problems, _ = _verify(run)
    assert len(problems) == 1
    assert "1 changed: b.tar" in problems[0]


def test_a_folder_of_images_is_verified_without_reading_them(tmp_path: Path, small_bundle: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        (images / f"{number}.jpg").write_bytes(encoded(picture(number)))
    _caption(images, tmp_path / "run", small_bundle)
    assert _verify(tmp_path / "run")[0] == []
    (images / "1.jpg").rename(images / "4.jpg")
    problems, _ = _verify(tmp_path / "run")
    assert ["1 changed: images-000000" in problem for problem in problems] == [True]


def test_what_is_no_run_is_refused(tmp_path: Path, run: Path) -> None:
    with pytest.raises(UserError, match=r"holds no run\.json"):
        _verify(tmp_path / "nothing")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    with pytest.raises(UserError, match=r"RUN .*photos holds no run\.json"):
        _verify(tmp_path / "photos")
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "source": str(tmp_path / "gone")}))
    with pytest.raises(UserError, match=r"does not exist.*--no-source"):
        _verify(run)
    assert _verify(run, with_source=False)[0] == []
