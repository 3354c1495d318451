"""Also for tar.py: tars that lie, hide or never end: every sample is a row, and what can be read on is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.sources.sample import ChunkLimits, chunk_samples
from pipeline.sources.shard import Shard
from pipeline.sources.webdataset import TarArgs, read_webdataset
from tests.hostile.tars import BETWEEN, JPEG, gzip_bomb, json_bombs, member, tar_with
from tests.images import write_tar

MAX_BYTES = 250_000


def _rows(path: Path, max_bytes: int = MAX_BYTES) -> list[dict]:
    shard = Shard(path.name, "webdataset", str(path), TarArgs())
    chunks = chunk_samples(shard.id, read_webdataset(shard, max_bytes), ChunkLimits(512, 1 << 28, max_bytes))
    return [row for chunk in chunks for row in chunk.samples.to_pylist()]


@pytest.mark.parametrize("case", BETWEEN)
def test_what_stands_between_two_good_members(tmp_path: Path, case: str) -> None:
    between, expected = BETWEEN[case]
    path = tmp_path / "x.tar"
    path.write_bytes(tar_with(between))
    first, *middle = _rows(path)
    assert (first["image_id"], first["image"]) == ("x/0", JPEG)
    if not expected or expected[-1][0]:  # the tar could be read on
        last = middle.pop()
        assert (last["image_id"], last["image"]) == ("x/good", JPEG)
    assert [row["image_id"] for row in middle] == [f"x/{key}" if key else "x.tar" for key, _ in expected]
    for row, (_, error) in zip(middle, expected, strict=True):
        if error == "empty":
            assert row["image"] == b""  # decoding says so
        elif error:
            assert error in row["error"]
            assert row["image"] is None
            assert len(row["error"]) < 500
        else:
            assert (row["image"], row["error"]) == (JPEG, None)


@pytest.mark.parametrize("name", json_bombs())
def test_json_of_any_kind_stays_what_it_was(tmp_path: Path, name: str) -> None:
    raw = json_bombs()[name]
    members = [("a.jpg", JPEG), ("a.json", raw), ("b.jpg", JPEG), ("b.json", raw), ("b.txt", b"text")]
    alone, joined = _rows(write_tar(tmp_path / "x.tar", members), 1 << 20)
    assert (alone["error"], joined["error"]) == (None, None)
    text = raw.decode("utf-8-sig", "replace")
    assert alone["metadata"] == text or json.loads(alone["metadata"]) == {"json": text}
    assert (
        joined["metadata"] == '{"txt": "text", ' + text[1:] or json.loads(joined["metadata"])["txt"] == "text"
    )


def test_json_too_long_to_parse_is_a_note_and_costs_no_image(tmp_path: Path) -> None:
    members = [("a.jpg", JPEG), ("a.json", b"[" + b"[]," * 2_000_000 + b"[]]"), ("b.jpg", JPEG)]
    a, b = _rows(write_tar(tmp_path / "x.tar", members), 1 << 28)
    assert (a["image"], a["error"], b["error"]) == (JPEG, None, None)
    assert (
        "a.json has 6000004 bytes, more than the limit" in json.loads(a["metadata"])["maccap_notes"]["json"]
    )


def test_metadata_counts_towards_the_size_of_a_chunk(tmp_path: Path) -> None:
    text = b'"' + b"x" * 50_000 + b'"'
    members = [(f"{n}.{kind}", JPEG if kind == "jpg" else text) for n in range(6) for kind in ("jpg", "json")]
    path = write_tar(tmp_path / "x.tar", members)
    shard = Shard("x.tar", "webdataset", str(path), TarArgs())
    chunks = list(chunk_samples("x.tar", read_webdataset(shard), ChunkLimits(512, 120_000)))
    assert [chunk.samples.num_rows for chunk in chunks] == [2, 2, 2]


def test_a_tar_that_unpacks_to_a_thousand_times_its_size_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip_bomb(150))
    program = f"""
import resource
from pathlib import Path
from tests.pipeline.formats.test_hostile_tars import _rows
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
bomb, good = _rows(Path({str(path)!r}), 100 << 20)
assert "157286400 bytes, more than the limit" in bomb["error"], bomb
assert good["error"] is None
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
assert grown < 50, grown
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_nothing_of_an_absurd_tar_reaches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = tmp_path / "here" / "x.tar"
    path.write_bytes(member("../out.jpg") + member("in.jpg") + member(f"{tmp_path}/abs.jpg") + b"\0" * 1024)
    assert len(_rows(path)) == 3
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["here", "x.tar"]
