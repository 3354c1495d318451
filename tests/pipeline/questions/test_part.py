"""A sorted file of questions: row groups by hash, and no two images of one name."""

import pyarrow as pa
import pytest

from pipeline.questions import part
from pipeline.questions.part import UNSORTED, OneNameError, Part, sort_part


def questions(*rows: tuple[int, str, int, str]) -> pa.Table:
    hashes, images, places, said = zip(*rows, strict=True)
    texts = [f"question {place}" for place in places]
    return pa.table([hashes, images, places, list(map(str, places)), texts, said], schema=UNSORTED)


def test_row_groups_are_found_by_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "_ROW_GROUP", 4)
    great = (1 << 64) - 1  # no signed number
    pieces = [
        questions(*((great - n % 5, f"i{n % 5}", n, f"i{n % 5}") for n in range(begin, begin + 10)))
        for begin in (0, 10)
    ]
    data, images = sort_part(pieces)
    opened = Part(pa.BufferReader(data))
    assert images == 5
    for n in range(5):
        groups = [opened.group(number) for number in opened.groups_of(great - n)]
        assert all(len(group) == 4 for group in groups)
        rows = [row for group in groups for row in group.to_pylist() if row["hash"] == great - n]
        assert [row["place"] for row in rows] == list(range(n, 20, 5))
    assert len(opened.groups_of(5)) == 0
    assert opened.table(["place"]).num_rows == 20


def test_images_whose_hashes_meet_stay_apart() -> None:
    data, images = sort_part([questions((1, "b", 1, "b"), (1, "a", 2, "a"), (1, "b", 3, "b"))])
    assert images == 2
    assert Part(pa.BufferReader(data)).table(["image"])["image"].to_pylist() == ["a", "b", "b"]


def test_two_images_of_one_name() -> None:
    with pytest.raises(OneNameError) as refused:
        sort_part([questions((1, "1", 1, "a/1.jpg"), (2, "2", 2, "a/2.jpg"), (1, "1", 3, "b/1.jpg"))])
    assert refused.value.args == ("a/1.jpg", "b/1.jpg")


@pytest.mark.parametrize(("pieces", "images"), [([], 0), ([questions((1, "a", 1, "a"))], 1)])
def test_hardly_any_questions(pieces: list[pa.Table], images: int) -> None:
    data, found = sort_part(pieces)
    assert found == images
    assert len(Part(pa.BufferReader(data)).groups_of(1)) == images
