"""Also for pinned_plan.py: an archive that changes while a run of it is under way: refused by name, or
accepted as it is now.
"""

import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.caption import caption_archive
from pipeline.chunk import Chunk
from pipeline.execution import caption_stages
from pipeline.execution.caption_stages import CaptionStages
from pipeline.execution.in_process import BuiltSteps, built_steps
from pipeline.inspect.caption_table import read_captions
from pipeline.run.config import CaptionJobConfig
from pipeline.run.selection import Selection
from pipeline.run.summary import Summary
from pipeline.sources import Shard
from pipeline.stages.resources import StageResources
from pipeline.storage.errors import RunError, UserError
from pipeline.verify import verify_run
from tests.images import encoded, picture, write_tar

Shards = dict[str, list[int]]
"""What an archive holds: by the name of a file, its images, each told from all others by its width."""

BEGUN = {"b": [40, 41], "d": [42, 43], "f": [44, 45]}
CHANGES: dict[str, Shards] = {
    "added first": {"a": [50, 51], **BEGUN},
    "added between": {"b": [40, 41], "c": [50, 51], "d": [42, 43], "f": [44, 45]},
    "added last": {**BEGUN, "z": [50]},
    "rewritten": {**BEGUN, "d": [52, 53, 54]},
    "the first rewritten": {**BEGUN, "b": [55]},
    "removed": {"b": [40, 41], "f": [44, 45]},
    "the last removed": {"b": [40, 41], "d": [42, 43]},
    "renamed": {"b": [40, 41], "e": [42, 43], "f": [44, 45]},
    "names exchanged": {"b": [42, 43], "d": [40, 41], "f": [44, 45]},
    "all of it": {"a": [44, 45], "c": [40], "d": [42, 43, 60]},
}


def _image(width: int) -> bytes:
    return encoded(picture(width, width=width))


def _in_place(path: Path, write: Callable[[Path], object], seconds: int) -> None:
    """Write a file only where its content is another, with times that tell."""
    new = path.with_name(f".new-{path.name}")
    write(new)
    if path.exists() and path.read_bytes() == new.read_bytes():
        new.unlink()
        return
    os.utime(new, (seconds, seconds))
    new.replace(path)


def _files(folder: Path, shards: Shards, ending: str, write: Callable[[Path, list[int]], object]) -> None:
    folder.mkdir(exist_ok=True)
    for path in folder.glob(f"*{ending}"):
        if path.name.removesuffix(ending) not in shards:
            path.unlink()
    for number, (name, images) in enumerate(shards.items()):
        seconds = 10**9 + number + sum(images)
        _in_place(folder / f"{name}{ending}", lambda path, images=images: write(path, images), seconds)


def _tar(path: Path, images: list[int]) -> None:
    write_tar(path, [(f"{width}.jpg", _image(width)) for width in images])


def _table(path: Path, images: list[int]) -> None:
    pq.write_table(pa.table({"image": [_image(width) for width in images]}), path)


def tars(top: Path, shards: Shards) -> str:
    _files(top / "archive", shards, ".tar", _tar)
    return str(top / "archive")


def pattern(top: Path, shards: Shards) -> str:
    return f"{tars(top, shards)}/*.tar"


def listed(top: Path, shards: Shards) -> str:
    """With a line of another folder where there is a new first shard, so that all are named otherwise."""
    folder = tars(top, shards)
    if "a" in shards:
        Path(folder, "a.tar").replace(top / "a.tar")
    names = [f"{top}/a.tar" if name == "a" else f"{folder}/{name}.tar" for name in shards]
    random.Random(0).shuffle(names)
    (top / "list.txt").write_text("\n".join(names))
    return f"@{top}/list.txt"


def parquet(top: Path, shards: Shards) -> str:
    _files(top / "archive", shards, ".parquet", _table)
    return str(top / "archive")


def images(top: Path, shards: Shards) -> str:
    files = {f"{name}/{place}": [width] for name, of in shards.items() for place, width in enumerate(of)}
    for path in (top / "archive").glob("*/*.jpg"):
        if str(path.relative_to(top / "archive")).removesuffix(".jpg") not in files:
            path.unlink()
    for name, (width,) in files.items():
        path = top / "archive" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        _in_place(path, lambda new, width=width: new.write_bytes(_image(width)), 10**9 + width)
    return str(top / "archive")


def coco(top: Path, shards: Shards) -> str:
    folder = top / "images"
    folder.mkdir(exist_ok=True)
    names = [(f"images/{name}-{width}.jpg", width) for name, of in shards.items() for width in of]
    for name, width in names:
        (top / name).write_bytes(_image(width))
    entries = [{"file_name": name} for name, _ in names]
    (top / "list.json").write_text(json.dumps({"images": entries}))
    return str(top / "list.json")


MAKERS = [tars, pattern, listed, parquet, images, coco]


@pytest.fixture(scope="module")
def built() -> list[BuiltSteps]:
    """The stages of the one model here, once they are loaded."""
    return []


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch: pytest.MonkeyPatch, built: list[BuiltSteps]) -> None:
    def once(stages: CaptionStages, resources: StageResources) -> BuiltSteps:
        built.extend([] if built else [built_steps(stages, resources)])
        return built[0]

    monkeypatch.setattr("pipeline.execution.in_process.built_steps", once)


@pytest.fixture
def caption(tmp_path: Path, small_bundle: Path) -> Callable[..., Summary]:
    def run(
        source: str,
        partition: str | None = None,
        accept: bool = False,
        output: str = "run",
        retry_errors: bool = False,
        limit: int | None = None,
    ) -> Summary:
        selection = Selection.parse(None, partition)
        config = CaptionJobConfig(chunk_rows=2, decoding={"candidates": 1}, limit=limit)
        out = str(tmp_path / output)
        return caption_archive(
            source, out, str(small_bundle), config, retry_errors, selection, accept, local=True
        )

    return run


def _widths(run: Path) -> list[int]:
    return sorted(
        width for table in read_captions(str(run), ["width"]) for width in table["width"].to_pylist()
    )


def _problems(run: Path) -> list[str]:
    problems: list[str] = []
    verify_run(str(run), True, problems.append, nullcontext)
    return problems


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("make", MAKERS)
def test_between_two_partitions(
    tmp_path: Path, caption: Callable[..., Summary], make: Callable[[Path, Shards], str], change: str
) -> None:
    source, run = make(tmp_path, BEGUN), tmp_path / "run"
    caption(source, "1/2")
    assert make(tmp_path, CHANGES[change]) == source
    with pytest.raises(UserError, match=r"is not what the run in OUTPUT .* was planned on"):
        caption(source, "2/2")
    assert any("not what the run was planned on" in problem for problem in _problems(run))
    caption(source, "1/2", accept=True)
    caption(source, "2/2")
    expected = sorted(chain.from_iterable(CHANGES[change].values()))
    assert _widths(run) == expected
    assert (run / "_SUCCESS").exists()
    assert json.loads((run / "summary.json").read_text())["rows"] == len(expected)
    assert _problems(run) == []


@pytest.mark.parametrize("make", MAKERS)
def test_of_a_finished_run(
    tmp_path: Path, caption: Callable[..., Summary], make: Callable[[Path, Shards], str]
) -> None:
    source, run = make(tmp_path, BEGUN), tmp_path / "run"
    caption(source)
    for change in ("added first", "rewritten", "renamed"):
        make(tmp_path, CHANGES[change])
        with pytest.raises(UserError, match="--accept-changed"):
            caption(source)
        caption(source, accept=True)
        assert _widths(run) == sorted(chain.from_iterable(CHANGES[change].values()))
        assert _problems(run) == []
    assert caption(source).new_rows == 0


def test_captions_of_what_is_gone_are_put_aside(tmp_path: Path, caption: Callable[..., Summary]) -> None:
    source = tars(tmp_path, BEGUN)
    caption(source)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run" / "captions").iterdir()}
    tars(tmp_path, CHANGES["removed"])
    caption(source, accept=True)
    aside = {path.name: path.read_bytes() for path in (tmp_path / "run" / "removed").iterdir()}
    assert len(aside) == 1
    assert aside.items() <= before.items()
    assert all(name.startswith("d-") for name in aside)


def test_a_list_in_another_order_is_the_same_plan(tmp_path: Path, caption: Callable[..., Summary]) -> None:
    source = listed(tmp_path, BEGUN)
    caption(source, "1/2")
    lines = (tmp_path / "list.txt").read_text().splitlines()
    (tmp_path / "list.txt").write_text("\n".join(reversed(lines)))
    caption(source, "2/2")
    assert _widths(tmp_path / "run") == [40, 41, 42, 43, 44, 45]
    assert (tmp_path / "run" / "_SUCCESS").exists()
    assert _problems(tmp_path / "run") == []


def test_unchanged_shards_are_not_done_again(tmp_path: Path, caption: Callable[..., Summary]) -> None:
    source = listed(tmp_path, BEGUN)
    caption(source)
    listed(tmp_path, CHANGES["added first"])
    assert caption(source, accept=True).new_rows == 2


def test_a_shard_that_was_missing_is_retried_once_it_is_there(
    tmp_path: Path, caption: Callable[..., Summary]
) -> None:
    source = f"{tars(tmp_path, BEGUN)}/{{b,c,d,f}}.tar"
    assert caption(source).errors == 1
    tars(tmp_path, CHANGES["added between"])
    with pytest.raises(UserError, match=r"1 missing then and there now: c\.tar"):
        caption(source)
    assert caption(source, retry_errors=True).errors == 0
    assert _widths(tmp_path / "run") == [40, 41, 42, 43, 44, 45, 50, 51]
    assert _problems(tmp_path / "run") == []


@pytest.mark.parametrize(
    ("change", "partition"),
    [("added last", "1/2"), ("added last", None), ("rewritten", None), ("removed", None)],
)
def test_another_command_accepts_it_while_one_is_at_work(
    tmp_path: Path,
    caption: Callable[..., Summary],
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    partition: str | None,
) -> None:
    """Which holds chunks of what changed, read and not yet written."""
    source, run = tars(tmp_path, BEGUN), tmp_path / "run"
    read = caption_stages.read_chunks

    def read_ahead(shard: Shard, *args: Any) -> Iterator[Chunk]:
        chunks = list(read(shard, *args))
        if partition or shard.id == "d.tar":
            monkeypatch.setattr(caption_stages, "read_chunks", read)
            caption(tars(tmp_path, CHANGES[change]), partition and "2/2", accept=True)
        return iter(chunks)

    monkeypatch.setattr(caption_stages, "read_chunks", read_ahead)
    with pytest.raises(RunError, match=r"another command planned the run in .* anew"):
        caption(source, partition)
    assert not (run / "_SUCCESS").exists()
    caption(source)
    assert _widths(run) == sorted(chain.from_iterable(CHANGES[change].values()))
    assert _problems(run) == []


def test_a_limit_is_of_the_source_it_was_planned_on(tmp_path: Path, caption: Callable[..., Summary]) -> None:
    source = tars(tmp_path, BEGUN)
    assert caption(source, limit=3).rows == 3
    tars(tmp_path, CHANGES["the first rewritten"])
    with pytest.raises(UserError, match=r"(?s)this run with --limit .* 1 changed: b.tar.*another OUTPUT"):
        caption(source, limit=3, accept=True)
    assert _widths(tmp_path / "run") == [40, 41, 42]


def test_output_that_is_source_is_refused(tmp_path: Path, caption: Callable[..., Summary]) -> None:
    with pytest.raises(UserError, match="is SOURCE itself"):
        caption(tars(tmp_path, BEGUN), output="archive")


@pytest.mark.parametrize("make", [tars, parquet, images])
def test_output_inside_source_is_left_out(
    tmp_path: Path, caption: Callable[..., Summary], make: Callable[[Path, Shards], str]
) -> None:
    source = make(tmp_path, BEGUN)
    for _ in range(3):
        assert caption(source, output="archive/captions-of-it").rows == 6
        assert caption(source, output="archive/more/of-it").rows == 6


def test_a_run_of_an_older_version_is_refused_by_name(
    tmp_path: Path, caption: Callable[..., Summary]
) -> None:
    source = tars(tmp_path, BEGUN)
    caption(source)
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    old = {k: v for k, v in facts.items() if k not in ("keys", "taken_for", "left_out")}
    (tmp_path / "run" / "run.json").write_text(json.dumps({**old, "listing": None, "version": "0.1.0"}))
    with pytest.raises(
        UserError, match=r"holds a run of an earlier MacCap \(0\.1\.0\), which did not record"
    ):
        caption(source)


@pytest.mark.parametrize(("damage", "message"), [("gone", "is gone"), ("cut", "is damaged")])
def test_a_plan_that_is_lost_is_refused(
    tmp_path: Path, caption: Callable[..., Summary], damage: str, message: str
) -> None:
    source = tars(tmp_path, BEGUN)
    caption(source)
    plan = tmp_path / "run" / "plan.parquet"
    content = plan.read_bytes()
    plan.unlink()
    if damage == "cut":
        plan.write_bytes(content[:100])
    with pytest.raises(UserError, match=message):
        caption(source)
