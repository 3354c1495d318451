"""CHAIR of captions, and the objects of images from a file of instances."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.evaluate.chair import ImageObjects, NamedObjects, named_objects, read_instances
from pipeline.evaluate.object_words import ObjectWords
from pipeline.storage.errors import UserError

_WORDS = ObjectWords({"dog": ["puppy"], "cat": [], "person": ["man"]}, "test words")
_COCO: dict[str, Any] = {
    "info": {"year": 2014},
    "images": [
        {"id": 1, "file_name": "a.jpg"},
        {"id": 2, "file_name": "b.jpg"},
        {"id": 3, "file_name": "c.jpg"},
    ],
    "annotations": [
        {"id": 7, "image_id": 1, "category_id": 18, "segmentation": [[1.0, 2.0]], "iscrowd": 0},
        {"id": 8, "image_id": 1, "category_id": 1},
        {"id": 9, "image_id": 1, "category_id": 18},
        {"id": 10, "image_id": 3, "category_id": 90},
    ],
    "categories": [
        {"id": 1, "name": "person"},
        {"id": 18, "name": "dog"},
        {"id": 17, "name": "cat"},
        {"id": 90, "name": "toothbrush"},
    ],
}


def _instances(folder: Path, content: Any) -> list[ImageObjects]:
    file = folder / "instances.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_instances(str(file), _WORDS)


@pytest.mark.parametrize(
    ("caption", "objects", "expected"),
    [
        (
            *("A man with a dog and a cat, another cat.", {"person", "dog"}),
            NamedObjects(("person", "dog", "cat", "cat"), ("cat", "cat")),
        ),
        ("Two puppies.", {"dog"}, NamedObjects(("dog",), ())),
        ("A tree.", set(), NamedObjects((), ())),
        ("A dog.", _WORDS.named_in(["A puppy sleeps.", "An animal."]), NamedObjects(("dog",), ())),
    ],
)
def test_what_a_caption_names(caption: str, objects: set[str], expected: NamedObjects) -> None:
    assert named_objects(_WORDS, caption, objects) == expected


def test_instances(tmp_path: Path) -> None:
    assert _instances(tmp_path, _COCO) == [
        ImageObjects("1", "a.jpg", frozenset({"dog", "person"})),
        ImageObjects("2", "b.jpg", frozenset()),
        ImageObjects("3", "c.jpg", frozenset()),  # a toothbrush, which the words do not name
    ]
    without_images = {key: value for key, value in _COCO.items() if key != "images"}
    assert [image.file_name for image in _instances(tmp_path, without_images)] == [None, None]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"annotations": [{"image_id": 1, "caption": "A dog."}]},
            "one of its annotations has no category_id",
        ),
        ({**_COCO, "categories": []}, "it has no categories"),
        ({**_COCO, "annotations": []}, "it has no annotations"),
        ({**_COCO, "categories": _COCO["categories"][1:]}, "category 1 of its annotations"),
        (
            {**_COCO, "categories": [{**c, "name": "x"} for c in _COCO["categories"]]},
            "no category dog, cat, person",
        ),
        ([1, 2], "it has no annotations"),
        ("PK\x03\x04", "unpacked .json"),
        ('{"annotations": [{"image_id": 1', "cannot be read"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        _instances(tmp_path, content)
    assert "instances.json" in str(error.value)
