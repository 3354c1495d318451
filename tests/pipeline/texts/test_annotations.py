import io
import json
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.texts.annotations import read_json
from pipeline.texts.found import Found


def _read(value: Any) -> list[Found]:
    text = value if isinstance(value, str) else json.dumps(value)
    return list(read_json(io.BytesIO(text.encode("utf-8", "surrogateescape")), "x.json"))


def test_coco() -> None:
    coco = {
        "info": {"year": 2014},
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "licenses": [],
        "annotations": [{"id": 5, "image_id": 1, "caption": "A dog."}, {"id": 6, "caption": None}, {"id": 7}],
    }
    assert _read(coco) == [Found("A dog.", 1), Found(None, 2), Found(None, 3, broken=True)]


def test_karpathy() -> None:
    karpathy = {
        "images": [
            {"split": "train", "sentences": [{"raw": "A dog.", "tokens": ["a", "dog"]}, {"raw": "A cat."}]},
            {"split": "restval", "sentences": [{"tokens": ["a", "cup"]}]},
            {"split": "val", "sentences": []},
        ],
        "dataset": "coco",
    }
    assert _read(karpathy) == [
        Found("A dog.", 1, "train"),
        Found("A cat.", 1, "train"),
        Found(None, 2, "restval", broken=True),
    ]


def test_lists() -> None:
    images = [{"split": "val", "image_name": "a.jpg", "captions": ["A dog.", "A cat."]}, {"split": "val"}]
    assert _read(images) == [
        Found("A dog.", 1, "val"),
        Found("A cat.", 1, "val"),
        Found(None, 2, broken=True),
    ]
    assert _read([{"image_id": 3, "caption": "A dog."}]) == [Found("A dog.", 1)]
    assert _read(["A dog.", 7]) == [Found("A dog.", 1), Found(None, 2, broken=True)]


def test_bytes_and_control_characters_are_left_for_the_cleaning() -> None:
    assert _read('["a\udcff", "b\x01", "c"]') == [Found("a\udcff", 1), Found("b\x01", 2), Found("c", 3)]
    assert _read('\ufeff["with a byte order mark"]') == [Found("with a byte order mark", 1)]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"train": ["a"], "val": ["b"]}, "it is an object with the keys train, val. Understood are"),
        (
            {"images": [{"id": 1}], "annotations": [{"id": 1, "bbox": [0, 0, 1, 1]}]},
            "images (of objects with id), annotations (of objects with id, bbox)",
        ),
        ([{"text": "a"}], "it is a list of objects with the keys text"),
        ([1, 2], "it is a list of neither text nor objects"),
        ("7", "it is a single value"),
        ('{"caption": "a"}\n{"caption": "b"}\n', "name it .jsonl"),
        ("\udcff\udcfe[\x00", "UTF-16"),
    ],
)
def test_another_shape_is_named(value: Any, message: str) -> None:
    with pytest.raises(UserError) as error:
        _read(value)
    assert message in str(error.value)
    assert str(error.value).startswith("x.json ")
    assert "\n" not in str(error.value)
