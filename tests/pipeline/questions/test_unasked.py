"""Questions about images that the archive does not have, and images of one name, in any number of batches."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pipeline.questions import unasked
from pipeline.questions.store import QuestionStore, build_store
from pipeline.questions.survey import survey
from pipeline.questions.unasked import Unasked, find_unasked

IMAGES, EACH = 400, 3


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> QuestionStore:
    """In several partitions; question `n` is about image `n % IMAGES`."""
    monkeypatch.setattr("pipeline.questions.store._PARTITION", 100)
    monkeypatch.setattr(unasked, "_BATCH", 32)
    records = [{"image": f"i{n % IMAGES}", "question": "?", "id": f"q{n}"} for n in range(IMAGES * EACH)]
    (tmp_path / "q.json").write_text(json.dumps(records))
    file = str(tmp_path / "q.json")
    found = survey(file, [("i1", None)], None, lambda read: None)
    return build_store(file, str(tmp_path / "store"), found, lambda read: None)


def batches(names: Sequence[str | None]) -> Iterator[Sequence[str | None]]:
    return (names[begin : begin + 50] for begin in range(0, len(names), 50))


def names(images: range) -> list[str | None]:
    return [f"i{n}" for n in images]


def test_all_are_asked(store: QuestionStore) -> None:
    assert find_unasked(store, batches([None, *names(range(2 * IMAGES))])) == Unasked(0, 0, (), (), ())


def test_the_first_in_the_file_are_listed(store: QuestionStore) -> None:
    found = find_unasked(store, batches([*names(range(0, 300)), "other", "other", None, None]))
    assert (found.questions, found.images, found.twice) == (100 * EACH, 100, ())
    assert found.first == tuple(f"q{n}" for n in range(300, 400))
    assert found.first_images == tuple(f"i{n}" for n in range(300, 400))
    few = find_unasked(store, batches(names(range(5, IMAGES))))
    assert few.first == tuple(f"q{n + IMAGES * again}" for again in range(EACH) for n in range(5))


def test_an_empty_archive(store: QuestionStore) -> None:
    found = find_unasked(store, [])
    assert (found.questions, found.images) == (IMAGES * EACH, IMAGES)
    assert found.first == tuple(f"q{n}" for n in range(100))


def test_names_that_two_rows_have(store: QuestionStore) -> None:
    found = find_unasked(store, batches([*names(range(IMAGES)), "i7", "other", "other", "i9"]))
    assert (found.questions, set(found.twice)) == (0, {"i7", "i9"})
    assert len(find_unasked(store, batches(2 * names(range(IMAGES)))).twice) == 10
