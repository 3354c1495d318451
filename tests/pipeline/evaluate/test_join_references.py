"""join_references.py and name_index.py: which rows the references are of, and what is left out."""

import json
from pathlib import Path

import pytest

from pipeline.evaluate.captions import Captions
from pipeline.evaluate.join_references import Joined, all_rows, join_references, own_references
from pipeline.evaluate.name_index import NameIndex
from pipeline.evaluate.references import Fields, References
from pipeline.join.image_names import NameRule
from pipeline.storage.errors import UserError
from tests.pipeline.evaluate.runs import row, write_run


def _references(*names: tuple[object, ...]) -> References:
    references = References("--references r.json", Fields())
    for number, said in enumerate(names):
        references.add(said, [f"text {number}"], f"group {number % 2}")
    return references


def _join(run: str, references: References, rule: NameRule | None = None) -> tuple[Captions, Joined]:
    index = NameIndex(references.file, [image.names for image in references.images])
    return join_references(run, references, index, rule)


def _run(folder: Path, *image_ids: str) -> str:
    return write_run(folder, [row(n, f"caption {n}", image_id=name) for n, name in enumerate(image_ids)])


def test_one_rule_joins_the_file_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    run = _run(tmp_path, *(f"val/COCO_val2014_{n:012d}" for n in range(6)))
    references = _references(*((n, f"COCO_val2014_{n:012d}.jpg") for n in range(4, 12)))
    captions, joined = _join(run, references)
    assert joined.rule == "stem"
    assert [(one.index, one.references, one.group) for one in captions.rows] == [
        (4, ("text 0",), "group 0"), (5, ("text 1",), "group 1")
    ]  # fmt: skip
    assert [one.key for one in captions.rows] == ["4", "5"]
    assert (joined.images, joined.rows_without_references, joined.images_without_row) == (2, 4, 6)
    assert joined.row_examples == [f"val/COCO_val2014_{n:012d}" for n in range(3)]
    assert joined.image_examples == ["6", "7", "8"]
    assert _join(run, references, "number")[1].images == 2


def test_two_rows_of_one_name_are_refused(tmp_path: Path) -> None:
    run = _run(tmp_path, "a/1.jpg", "b/1.jpg")
    with pytest.raises(UserError, match=r"two rows of RUN .* a/1.jpg and b/1.jpg. Choose a stricter"):
        _join(run, _references(("1.jpg",)))
    assert _join(run, _references(("a/1.jpg",)))[1].images == 1


def test_two_images_of_one_name_are_refused_where_a_row_has_it(tmp_path: Path) -> None:
    run = _run(tmp_path, "1.jpg", "2.jpg")
    references = _references(("train/1.jpg",), ("val/1.jpg",), ("val/2.jpg",))
    with pytest.raises(UserError, match=r"are both 1.jpg by the rule `name`: train/1.jpg, val/1.jpg"):
        _join(run, references)


def test_references_of_other_images_are_refused(tmp_path: Path) -> None:
    run = _run(tmp_path, "one.jpg")
    with pytest.raises(UserError, match=r"they are called one.jpg here, and two.jpg there"):
        _join(run, _references(("two.jpg",)))
    with pytest.raises(UserError, match="among the references by the rule `number`"):
        _join(run, _references(("one.jpg",)), "number")


def test_samples_bring_their_own_references(tmp_path: Path) -> None:
    metadata = [{"captions": ["a dog", "dogs"]}, {"note": "none"}, None, {"captions": "a\ncat"}]
    rows = [row(n, "x", metadata=json.dumps(own)) for n, own in enumerate(metadata)]
    run = write_run(tmp_path, rows)
    captions, joined = own_references(run, Fields())
    assert [one.references for one in captions.rows] == [("a dog", "dogs"), ("a cat",)]
    assert (joined.rule, joined.images, joined.rows_without_references) == (None, 2, 2)
    with pytest.raises(UserError, match="its metadata, which has captions, note"):
        own_references(run, Fields("said"))


def test_an_error_is_no_caption_and_neither_is_white_space(tmp_path: Path) -> None:
    rows = [row(0, "a dog"), row(1, None), row(2, " \n"), row(3, "left over", error="damaged")]
    captions = all_rows(write_run(tmp_path, rows))
    assert [one.caption for one in captions.rows] == ["a dog", None, None, None]
    assert captions.without_caption == 3
    with pytest.raises(UserError, match="holds no captions"):
        all_rows(str(tmp_path / "nowhere"))
