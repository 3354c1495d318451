"""`maccap scenes` as a person runs it."""

import json
import subprocess
from pathlib import Path

import pytest

from jobs.scenes import main
from maccap.scenes.evaluation.mentions import parse
from maccap.scenes.world.facts import split_captions
from pipeline.storage.errors import UserError
from tests.commands import ctrl_c, interrupted, maccap, run_here


def _scenes(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_here(maccap("scenes", *arguments))


def test_scenes_are_written_and_again_the_same(tmp_path: Path) -> None:
    arguments = (str(tmp_path / "out"), "--count", "6", "--seed", "3", "--size", "64", "--per-shard", "4")
    first = _scenes(*arguments)
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout.splitlines()[-1])
    assert told == {"split": "test", "count": 6, "seed": 3, "size": 64, "per_shard": 4}
    assert '"rows": 6' in first.stderr
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert len(written) == 3
    again = _scenes(*arguments)
    assert again.returncode == 0, again.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == written

    other = _scenes(str(tmp_path / "out"), "--count", "6", "--seed", "4")
    assert other.returncode == 2
    assert "other arguments" in other.stderr
    assert "choose a new or an empty folder" in other.stderr
    assert "Traceback" not in other.stderr


def test_ctrl_c_ends_with_one_line(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = [str(out), "--count", "5000", "--seed", "1", "--size", "64", "--per-shard", "5"]
    done = interrupted(maccap("scenes", *arguments), lambda: bool(list(out.glob("*.tar"))), ctrl_c)
    assert (done.returncode, done.stdout) == (130, "")
    lines = [line for line in done.stderr.splitlines() if not line.startswith('{"progress"')]
    assert lines == [f"stopped. The same command completes the scenes in {out}."]


def test_captions_alone(tmp_path: Path) -> None:
    for wording in ("sentences", "tags"):
        main(tmp_path / f"new/{wording}.txt", count=20, seed=3, split="train", text=wording)
    sentences, tags = (
        (tmp_path / f"new/{wording}.txt").read_text().splitlines() for wording in ("sentences", "tags")
    )
    assert sentences == split_captions("train", 20, 3)
    assert len(sentences) == len(tags) == 100
    for sentence, tag in zip(sentences, tags, strict=True):
        assert parse(tag).counts == parse(sentence).counts
        assert parse(tag).background == parse(sentence).background
    assert not any(" and " in tag for tag in tags)
    with pytest.raises(UserError, match="cannot be written"):
        main(tmp_path, count=1, seed=0, text="tags")


def test_a_file_of_other_captions_is_not_overwritten(tmp_path: Path) -> None:
    own = tmp_path / "captions.txt"
    own.write_text("my own caption\n")
    with pytest.raises(UserError, match=r"captions\.txt is there already, with other content"):
        main(own, count=2, seed=0, text="tags")
    assert own.read_text() == "my own caption\n"
