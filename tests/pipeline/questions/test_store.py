"""A store gives each image its questions, wherever it lies, and knows the file that it was made of."""

import json
import pickle
import random
from pathlib import Path

import pytest

from pipeline.join.image_names import NameRule
from pipeline.questions import store as store_module
from pipeline.questions import survey as surveys
from pipeline.questions.store import QuestionStore, StoreFacts, build_store, open_store
from pipeline.questions.survey import survey
from pipeline.storage.errors import RunError, UserError
from tests.faulty_proxy import FaultyProxy

IMAGES = 300
ROWS = [(f"shard-000/{n:06d}.jpg", None) for n in range(IMAGES)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many partitions, batches, files and row groups, of which few fit in memory."""
    monkeypatch.setattr(store_module, "_PARTITION", 100)
    monkeypatch.setattr(store_module, "_OPEN_PARTS", 2)
    monkeypatch.setattr(store_module, "_KEPT_GROUPS", 3)
    monkeypatch.setattr("pipeline.questions.part._ROW_GROUP", 16)
    monkeypatch.setattr(surveys, "_BATCH", 64)


def asked_of(image: int) -> list[tuple[str, str]]:
    return [(f"{image}-{n}", f"Question {n} about {image}?") for n in range(image % 7)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """VQAv2's form; questions of an image lie all over the file, in order."""
    random.seed(0)
    images = [image for image in range(IMAGES) for _ in asked_of(image)]
    random.shuffle(images)
    waiting = {image: iter(asked_of(image)) for image in images}
    records = [(image, *next(waiting[image])) for image in images]
    path = tmp_path / "questions.json"
    path.write_text(
        json.dumps(
            {"questions": [{"image_id": i, "question_id": q, "question": text} for i, q, text in records]}
        )
    )
    return path


def build(file: Path, folder: str, rule: NameRule | None = None) -> StoreFacts:
    found = survey(str(file), ROWS, rule, lambda read: None)
    return build_store(str(file), folder, found, lambda read: None).facts


def opened(folder: str) -> QuestionStore:
    store = open_store(folder)
    assert store is not None
    return store


@pytest.mark.parametrize("where", ["local", "memory", "s3"])
def test_every_image_gets_its_questions_in_order(
    where: str, tmp_path: Path, file: Path, request: pytest.FixtureRequest
) -> None:
    if where == "s3":
        proxy: FaultyProxy = request.getfixturevalue("s3")
        assert proxy.url
    folder = {"local": str(tmp_path / "store"), "memory": "memory://store", "s3": "s3://bucket/store"}[where]
    assert open_store(folder) is None
    facts = build(file, folder)
    questions = sum(len(asked_of(image)) for image in range(IMAGES))
    images = sum(bool(asked_of(image)) for image in range(IMAGES))
    assert (facts.questions, facts.images, facts.rule) == (questions, images, "number")
    assert facts.partitions == -(-questions // 100)
    store = pickle.loads(pickle.dumps(opened(folder)))
    assert store.facts == facts
    names = [str(image) for image in range(IMAGES)]
    for _ in range(2):
        assert store.of(names) == [asked_of(image) for image in range(IMAGES)]
        random.shuffle(names)
        assert store.of(names[:10]) == [asked_of(int(name)) for name in names[:10]]
        names.sort(key=int)
    assert store.of(["5", None, "none of it", "5", "0"]) == [asked_of(5), [], [], asked_of(5), []]
    assert len(store._parts) <= 2
    assert len(store._groups) <= 3


def test_memory_is_bounded_by_a_partition(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    sort_part = store_module.sort_part
    monkeypatch.setattr(
        store_module, "sort_part", lambda pieces: sizes.append(sum(map(len, pieces))) or sort_part(pieces)
    )
    facts = build(file, str(tmp_path / "store"))
    assert len(sizes) == facts.partitions
    assert sum(sizes) == facts.questions
    assert max(sizes) < 200


def test_a_store_takes_the_place_of_another(tmp_path: Path, file: Path) -> None:
    folder = tmp_path / "store"
    build(file, str(folder))
    file.write_text('[{"image": 1, "question": "Only one?"}]')
    facts = build(file, str(folder))
    assert opened(str(folder)).facts == facts
    assert opened(str(folder)).of(["1"]) == [[("1", "Only one?")]]


def test_what_has_no_name_under_the_rule_is_kept(tmp_path: Path, file: Path) -> None:
    file.write_text('[{"image": 1, "question": "?"}, {"image": "nameless", "question": "!"}]')
    assert build(file, str(tmp_path / "store")).questions == 2


def test_two_images_that_are_one_by_the_rule(tmp_path: Path, file: Path) -> None:
    records = [{"image": f"{folder}/000001.jpg", "question": "?"} for folder in ("train", "val")]
    file.write_text(json.dumps(records))
    with pytest.raises(UserError, match=r"train/000001\.jpg and val/000001\.jpg, which are one image by the"):
        build(file, str(tmp_path / "store"))
    assert open_store(str(tmp_path / "store")) is None
    assert build(file, str(tmp_path / "store"), "image_id").images == 2


def test_the_file_that_a_store_is_of(tmp_path: Path, file: Path) -> None:
    build(file, str(tmp_path / "store"))
    store = opened(str(tmp_path / "store"))
    assert store.is_of(str(file))
    copy = tmp_path / "copy.jsonl"
    records = json.loads(file.read_text())["questions"]
    copy.write_text("\n".join(map(json.dumps, records)))
    assert store.is_of(str(copy))
    copy.write_text("\n".join(map(json.dumps, records[::-1])))
    assert not store.is_of(str(copy))
    with pytest.raises(UserError, match="do not exist"):
        store.is_of(str(tmp_path / "none.json"))


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, file: Path) -> None:
    found = survey(str(file), ROWS, None, lambda read: None)
    file.write_text(file.read_text().replace("Question 0", "Another"))
    with pytest.raises(UserError, match="changed while they were read"):
        build_store(str(file), str(tmp_path / "again"), found, lambda read: None)
    assert open_store(str(tmp_path / "again")) is None


def test_a_store_that_is_damaged(tmp_path: Path, file: Path) -> None:
    folder = tmp_path / "store"
    build(file, str(folder))
    store = opened(str(folder))
    for part in folder.glob("part-*"):
        part.unlink()
    with pytest.raises(RunError, match=r"is damaged.*Remove that folder"):
        store.of(["1"])
    for partition in range(store.facts.partitions):
        (folder / f"part-{partition:05d}.parquet").write_bytes(b"no Parquet at all")
    with pytest.raises(RunError, match=r"is damaged.*Remove that folder"):
        store.of(["1"])
    (folder / "store.json").write_text("{}")
    with pytest.raises(RunError, match=r"store\.json is damaged or of another version"):
        open_store(str(folder))
