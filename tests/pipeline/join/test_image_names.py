"""One rule joins a whole file's names to the archive's."""

import json

import pytest

from pipeline.join.image_names import NAME_RULES, NameRule, best_rule, image_name, said_name

COCO = "val2014/COCO_val2014_000000262148.jpg"


@pytest.mark.parametrize(
    ("rule", "row", "said"),
    [
        ("image_id", COCO, COCO),
        ("path", COCO, "val2014/COCO_val2014_000000262148"),
        ("path", "shard-000/0001", "shard-000/0001.webp"),
        ("name", COCO, "COCO_val2014_000000262148.jpg"),
        ("name", COCO, "images/COCO_val2014_000000262148.jpg"),
        ("stem", "shard-000/COCO_val2014_000000262148", "COCO_val2014_000000262148.jpg"),
        ("number", COCO, 262148),
        ("number", COCO, "262148"),
        ("number", COCO, 262148.0),
        ("number", "flickr/1000092795.jpg", "1000092795.png"),
        ("stem", "v1.2/photo.of.a.dog", "photo.of.a.dog"),
    ],
)
def test_a_row_and_what_a_file_says_meet(rule: NameRule, row: str, said: object) -> None:
    assert image_name(rule, row) == said_name(rule, said)


@pytest.mark.parametrize("said", [None, True, "", "  ", 1.5, [1], {"a": 1}])
def test_what_is_no_name(said: object) -> None:
    assert [said_name(rule, said) for rule in NAME_RULES] == [None] * len(NAME_RULES)


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ({"id": 262148, "file_name": "x.jpg"}, "262148"),
        ({"key": "00001"}, "00001"),
        ({"cocoid": 5, "imgid": 0}, "5"),
        ({"image_id": 0, "id": 7}, "0"),
        ({"caption": "a dog"}, None),
        ([], None),
    ],
)
def test_a_sample_s_own_name(metadata: object, name: str | None) -> None:
    assert image_name("metadata", "a/b", json.dumps(metadata)) == name
    assert image_name("metadata", "a/b", "not JSON") is None


def test_the_rule_that_finds_most_and_of_equals_the_strictest() -> None:
    rows = [(f"shard-{n % 2}/COCO_val2014_{n:012d}", None) for n in range(10)]

    def best(*said: object) -> NameRule | None:
        names = {rule: {said_name(rule, one) for one in said} for rule in NAME_RULES}
        return best_rule(rows, {rule: known.__contains__ for rule, known in names.items()})

    assert best("shard-1/COCO_val2014_000000000001") == "image_id"
    assert best("COCO_val2014_000000000001.jpg", "COCO_val2014_000000000002.jpg") == "stem"
    assert best(1, 2, 3) == "number"
    assert best("nothing of the kind") is None


def test_a_name_counts_once() -> None:
    rows = [(f"{folder}/{n}.jpg", None) for folder in ("a", "b") for n in range(3)]
    names = {"image_id": {"a/0.jpg", "a/1.jpg"}, "number": {"0", "1"}}
    assert best_rule(rows, {rule: known.__contains__ for rule, known in names.items()}) == "image_id"
