"""Two questions with one id are found and named; two ids with one hash are not the same."""

from pathlib import Path

import pytest

from pipeline.questions import repeated_ids
from pipeline.questions.repeated_ids import RepeatedIds
from pipeline.storage.errors import UserError


def check(folder: Path, ids: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    repeated = RepeatedIds(folder)
    for begin in range(0, len(ids), 100):
        repeated.add(ids[begin : begin + 100])
    repeated.check("the_file.json", ids)


def test_different_ids(tmp_path: Path) -> None:
    check(tmp_path, [str(n) for n in range(1000)])


def test_the_repeat_is_named(tmp_path: Path) -> None:
    ids = [str(n) for n in range(1000)]
    ids[907] = "12"
    with pytest.raises(
        UserError, match=r"the_file\.json: question 13 and question 908 both have the id 12\."
    ):
        check(tmp_path, ids)


def test_a_hash_that_two_ids_share_is_no_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_ids, "hash_of", lambda text: len(text) << 60)
    check(tmp_path, ["a", "b", "cc"])
    with pytest.raises(UserError, match="question 1 and question 4 both have the id a"):
        check(tmp_path / "again", ["a", "b", "cc", "a"])


def test_more_repeats_than_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_ids, "_CANDIDATES", 3)
    with pytest.raises(UserError, match="both have the id"):
        check(tmp_path, [str(n % 50) for n in range(100)])
