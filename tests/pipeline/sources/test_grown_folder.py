"""A folder of images that grows night by night; also of spans.py and folder_range.py."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.sources import Shard, read_shard
from pipeline.sources.folder import plan_folder
from pipeline.sources.folder_range import FolderArgs
from pipeline.sources.grown_folder import growth_apart
from pipeline.sources.spans import Piece, Pieces, Span

FILES_A_SHARD = 6


def _put(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image " + name.encode())


def _names(random_: random.Random, count: int) -> list[str]:
    """Paths of which many lie between others, and folders that sort among files."""
    parts = ["a", "b", "b.jpg", "c c", "d/e", "d/e.f", "é"]
    return [f"{random_.choice(parts)}/{random_.randrange(10**6):06d}.jpg" for _ in range(count)]


def _ids(shard: Shard) -> set[str]:
    return {sample.image_id for sample in read_shard(shard)}


def _plan(folder: Path, pinned: Sequence[Shard] = ()) -> list[Shard]:
    return list(plan_folder(str(folder), FILES_A_SHARD, [shard.args for shard in pinned]).shards)


def _changed(before: list[Shard], now: list[Shard]) -> set[str]:
    return {old.id for old, new in zip(before, now, strict=False) if old.state != new.state}


@pytest.mark.parametrize("seed", range(8))
def test_what_came_is_in_shards_of_its_own(tmp_path: Path, seed: int) -> None:
    random_ = random.Random(seed)
    _put(tmp_path, [*_names(random_, 40), "top.jpg"])
    plan = _plan(tmp_path)
    for night in range(5):
        written = {shard.id: _ids(shard) for shard in plan}
        new = {*_names(random_, random_.choice([1, 5, 30])), f"z/{night}.jpg", f"0{night}.jpg"}
        _put(tmp_path, sorted(new))
        changed = _changed(plan, _plan(tmp_path, plan))
        assert changed
        apart = growth_apart(plan, changed, lambda shard, ids=written: ids[shard.id], FILES_A_SHARD)
        grown = _plan(tmp_path, apart)
        assert _changed(plan, grown) == set()
        assert [shard.id for shard in grown[: len(plan)]] == [shard.id for shard in plan]
        assert {id: _ids(shard) for id, shard in zip(written, grown, strict=False)} == written
        added = [sample.image_id for shard in grown[len(plan) :] for sample in read_shard(shard)]
        assert sorted(added) == sorted(new)
        assert len(grown) - len(plan) <= len(new) // (FILES_A_SHARD // 2) + 1
        assert _plan(tmp_path, grown) == grown
        assert len({shard.id for shard in grown}) == len(grown)
        plan = grown


def test_a_shard_in_which_more_has_changed_or_that_is_not_written_stays_whole(tmp_path: Path) -> None:
    _put(tmp_path, [f"{n}.jpg" for n in range(10, 28)])
    plan = _plan(tmp_path)
    written = {shard.id: _ids(shard) for shard in plan}
    _put(tmp_path, ["105.jpg", "165.jpg", "225.jpg"])
    (tmp_path / "12.jpg").write_bytes(b"another image")
    changed = _changed(plan, _plan(tmp_path, plan))
    assert len(changed) == 3
    unwritten = plan[1].id
    apart = growth_apart(
        plan, changed, lambda shard: None if shard.id == unwritten else written[shard.id], FILES_A_SHARD
    )
    grown = _plan(tmp_path, apart)
    assert _changed(plan, grown) == {plan[0].id, unwritten}
    assert [_ids(shard) for shard in grown[len(plan) :]] == [{"225.jpg"}]


def test_a_shard_with_too_many_holes_stays_whole(tmp_path: Path) -> None:
    _put(tmp_path, [f"{n:04d}.jpg" for n in range(600)])
    plan = list(plan_folder(str(tmp_path)).shards)
    _put(tmp_path, [f"{n:04d}-new.jpg" for n in range(600)])
    written = {f"{n:04d}.jpg" for n in range(600)}
    assert growth_apart(plan, {plan[0].id}, lambda shard: written, 4096) == plan


def test_a_shard_travels_with_its_holes() -> None:
    args = FolderArgs("a", "z", (("b/c", "d"), ("k", "m")))
    assert FolderArgs.of({"first": "a", "last": "z", "holes": [["b/c", "d"], ["k", "m"]]}) == args
    span = args.span
    assert [path in span for path in (("a",), ("b", "b"), ("b", "c"), ("c",), ("d",), ("z",))] == [
        True,
        True,
        False,
        False,
        True,
        False,
    ]
    assert [span.reaches((folder,)) for folder in ("a", "b", "c", "k", "l", "zz")] == [
        True,
        True,
        False,
        True,
        False,
        False,
    ]


def test_pieces_of_spans() -> None:
    inner = Span(("b",), ("d",))
    pieces = Pieces([Span((), None, (inner,)), inner])
    assert pieces.at(("a",)) == Piece((), ("b",), 0)
    assert pieces.at(("b", "x")).owner == 1
    assert pieces.at(("d",)) == pieces.last == Piece(("d",), None, 0)
    assert pieces.is_last_of_owner(pieces.last)
    assert not pieces.is_last_of_owner(pieces.at(("a",)))
