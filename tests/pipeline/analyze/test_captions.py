"""Captions in the metadata that the common tools write, and what is dropped of them."""

import json

import pyarrow as pa
import pytest

from pipeline.analyze.captions import (
    MOST,
    NO_CAPTION,
    captions_of,
    field_names,
    with_captions,
    with_own_captions,
)


@pytest.mark.parametrize(
    ("metadata", "texts"),
    [
        ({"caption": "a dog"}, ["a dog"]),
        ({"captions": ["a dog", "two  cats "], "caption": "another"}, ["a dog", "two cats"]),
        ({"txt": "a dog\ntwo cats\n"}, ["a dog", "two cats"]),
        ({"txt": "a dog", "url": "https://host/x.jpg"}, ["a dog"]),
        ({"sentences": [{"raw": "a dog"}, {"raw": "two cats"}]}, ["a dog", "two cats"]),
        ({"TEXT": "a dog", "SIMILARITY": 0.3}, ["a dog"]),
        ({"caption": None}, []),
        ({"caption": "x.jpg"}, []),
        ({"width": 3}, []),
    ],
)
def test_captions_are_found_by_the_names_of_their_fields(metadata: dict, texts: list[str]) -> None:
    assert captions_of(json.dumps(metadata)).texts == texts


def test_a_field_can_be_named() -> None:
    metadata = json.dumps({"caption": "a dog", "raters": ["one", "two", 3]})
    assert captions_of(metadata, ["raters"]).texts == ["one", "two"]
    assert captions_of(metadata, ["caption", "raters"]).texts == ["a dog", "one", "two"]
    assert captions_of(metadata, ["rater"]).texts == []


@pytest.mark.parametrize("metadata", [None, "", "[1]", "{", '"a dog"'])
def test_metadata_of_any_kind_is_no_error(metadata: str | None) -> None:
    assert captions_of(metadata).texts == []


def test_what_is_dropped_is_counted() -> None:
    captions = ["a dog", "a dog", "", "x" * 401, None, 3, *(f"a dog and {n} cats" for n in range(MOST))]
    found = captions_of(json.dumps({"captions": captions}))
    assert len(found.texts) == MOST
    assert found.dropped == {"duplicates": 1, "empty": 3, "too long": 1, f"beyond {MOST} per image": 1}


def test_rows_without_captions_are_told_from_errors() -> None:
    samples = pa.table(
        {
            "image_id": ["a", "b", "c"],
            "metadata": ['{"caption": "a dog"}', '{"size": 1}', None],
            "error": pa.array([None, None, "cannot be read"], pa.string()),
        }
    )
    found = with_captions(samples)
    assert found["captions"].to_pylist() == [["a dog"], [], []]
    assert found["error"].to_pylist() == [None, NO_CAPTION, "cannot be read"]
    assert field_names(samples["metadata"].to_pylist()) == ["caption", "size"]


def test_the_captions_of_a_run_take_the_place_of_those_of_its_source() -> None:
    metadata = ['{"caption": "old", "captions": ["old"]}', '{"caption": "old"}', None]
    samples = pa.table({"image_id": ["a", "b", "c"], "metadata": metadata})
    found = with_own_captions(samples, {"a": "new", "c": "newer"})
    texts = [captions_of(text, ["caption"]).texts for text in found["metadata"].to_pylist()]
    assert texts == [["new"], [], ["newer"]]
