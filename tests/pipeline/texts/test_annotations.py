import io
import json
from typing import Any

import pytest

from pipeline.storage.errors import UserError
from pipeline.texts.annotations import read_json
from pipeline.texts.found import Found


def _read(value: Any, column: str | None = None) -> list[Found]:
    """Whose images test_images.py looks at."""
    text = value if isinstance(value, str) else json.dumps(value)
    found = read_json(io.BytesIO(text.encode("utf-8", "surrogateescape")), "x.json", column, [].append)
    return [each._replace(image=None) for each in found]


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


def test_images_and_their_captions_by_name() -> None:
    assert _read({"a.jpg": "A dog.", "b/c.PNG": ["A cat.", "A cup."], "17": "A hat."}) == [
        Found("A dog.", "a.jpg"),
        Found("A cat.", "b/c.PNG"),
        Found("A cup.", "b/c.PNG"),
        Found("A hat.", "17"),
    ]
    kohya = {"/data/10_dog/a": {"caption": "A dog.", "tags": "dog, grass", "train_resolution": [512, 512]}}
    assert _read(kohya) == [Found("A dog.", "/data/10_dog/a")]
    assert _read({"url": "https://x/a.jpg", "width": 3, "caption": "A dog.", "key": "0001"}) == [
        Found("A dog.", 1)
    ]


def test_json_lines_by_another_name() -> None:
    """As `datasets` exports them."""
    assert _read('{"image": "a.jpg", "text": "A dog."}\r\n{"text": "A cat."}\n\n{"te') == [
        Found("A dog.", 1),
        Found("A cat.", 2),
        Found(None, 4, broken=True),
    ]
    assert _read('{"caption": "A dog."}\n\n') == [Found("A dog.", 1)]
    assert _read('["A dog.",\n"A cat."]') == [Found("A dog.", 1), Found("A cat.", 2)]


def test_conversations() -> None:
    def llava(*turns: tuple[str, Any]) -> dict:
        return {"image": "a.jpg", "conversations": [{"from": who, "value": said} for who, said in turns]}

    question = ("human", "<image>\nDescribe it.")
    parts = [{"type": "text", "text": "A cat."}]
    assert _read(
        [
            llava(question, ("gpt", "A dog.")),
            llava(question, ("gpt", "Blue."), ("human", "And?"), ("gpt", "Red.")),
            llava(question),
            {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": parts}]},
        ]
    ) == [
        Found("A dog.", 1),
        Found(None, 2, broken=True),
        Found(None, 3, broken=True),
        Found("A cat.", 4),
    ]


def test_lists_below_other_keys() -> None:
    text_caps = {"caption_str": "A dog.", "reference_strs": ["A dog.", "A cat."], "set_name": "train"}
    assert _read({"dataset_type": "train", "data": [text_caps]}) == [Found("A dog.", 1, "train")]
    assert _read({"videos": [{"id": 1}], "sentences": [{"caption": "A dog.", "sen_id": 3}]}) == [
        Found("A dog.", 1)
    ]
    assert _read({"rows": [{"utterance": "A dog.", "caption": "no"}]}, "utterance") == [Found("A dog.", 1)]
    assert _read([{"utterance": "A dog.", "caption": "no"}], "utterance") == [Found("A dog.", 1)]


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
        ([{"utterance": "a"}], "it is a list of objects with the keys utterance"),
        ([1, 2], "it is a list of neither text nor objects"),
        ("7", "it is a single value"),
        ('{"caption":\n"a"}\n{"caption": "b"}\n', "more than one JSON value"),
        ("\udcff\udcfe[\x00", "UTF-16"),
    ],
)
def test_another_shape_is_named(value: Any, message: str) -> None:
    with pytest.raises(UserError) as error:
        _read(value)
    assert message in str(error.value)
    assert str(error.value).startswith("x.json ")
    assert "\n" not in str(error.value)
