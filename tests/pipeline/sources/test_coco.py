import json
import os
from pathlib import Path

import pytest

from pipeline.sources import (
    Sample,
    Shard,
    SourceOptions,
    check_shards,
    plan_source,
    read_shard,
    shard_from_json,
)
from pipeline.sources.coco import plan_coco
from pipeline.storage.errors import UserError
from tests.images import encoded, picture
from tests.web_server import Site, web_server


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    (tmp_path / "images" / "val").mkdir(parents=True)
    images = []
    for number in range(5):
        (tmp_path / "images" / "val" / f"{number}.jpg").write_bytes(encoded(picture(number)))
        images.append({"id": number, "file_name": f"val/{number}.jpg", "height": 40})
    path = tmp_path / "annotations.json"
    captions = [{"image_id": 0, "caption": "a red car", "file_name": "no image"}]
    path.write_text(json.dumps({"info": {"year": 2017}, "annotations": captions, "images": images}))
    return path


def test_images_below_a_root_with_their_entries_as_metadata(annotations: Path) -> None:
    plan = plan_source(str(annotations), SourceOptions(image_root=str(annotations.parent / "images")))
    assert plan.images == 5
    (shard,) = plan.shards
    samples = list(read_shard(shard))
    assert [sample.image_id for sample in samples] == [f"val/{n}.jpg" for n in range(5)]
    assert [sample.load() for sample in samples if sample.load] == [encoded(picture(n)) for n in range(5)]
    assert json.loads(samples[3].metadata or "") == {"id": 3, "file_name": "val/3.jpg", "height": 40}


def test_shards_are_runs_of_images(annotations: Path) -> None:
    shards, images = plan_coco(str(annotations), "root/", images_a_shard=2)
    read = [[sample.image_id for sample in read_shard(shard)] for shard in shards]
    assert (images, [len(ids) for ids in read]) == (5, [2, 2, 1])
    assert len({image_id for ids in read for image_id in ids}) == 5


@pytest.mark.parametrize(
    "content",
    [
        '{"annotations": []}',
        "[]",
        '{"images": [{"id": 1}]}',
        '[{"caption": "a"}]',
        '{"images": {"1": {}}}',
        "3",
    ],
)
def test_json_that_names_no_images_is_a_clear_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UserError, match="names no images"):
        plan_source(str(tmp_path / "x.json"))


def test_several_values_one_after_another_are_refused(tmp_path: Path) -> None:
    """As `Dataset.to_json` writes them: the first line alone would be captioned."""
    (tmp_path / "x.json").write_text('{"images": [{"path": "a.jpg"}]}\n' * 3)
    with pytest.raises(UserError, match="several JSON values one after another, as JSON lines do"):
        plan_source(str(tmp_path / "x.json"))


def test_images_that_lie_below_another_folder_are_told_before_the_run(tmp_path: Path) -> None:
    """As those of COCO's own annotations do."""
    annotations = tmp_path / "annotations" / "x.json"
    annotations.parent.mkdir()
    annotations.write_text(json.dumps({"images": [{"file_name": f"{n}.jpg"} for n in range(20)]}))
    with pytest.raises(UserError, match=r"the first .*0\.jpg\. Give the folder they are in with"):
        check_shards(plan_source(str(annotations)).shards)
    images = tmp_path / "val2017"
    images.mkdir()
    options = SourceOptions(image_root=str(images))
    with pytest.raises(UserError, match="Check --image-root"):
        check_shards(plan_source(str(annotations), options).shards)
    (images / "7.jpg").write_bytes(b"")
    check_shards(plan_source(str(annotations), options).shards)


def test_damaged_json_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"images": [{"file_name"')
    with pytest.raises(UserError, match="cannot be listed"):
        plan_source(str(tmp_path / "x.json"))


def _plan(tmp_path: Path, content: object, images_a_shard: int = 100) -> list[Shard]:
    (tmp_path / "x.json").write_text(json.dumps(content))
    return [
        shard_from_json(shard.to_json())
        for shard in plan_coco(str(tmp_path / "x.json"), f"{tmp_path}/", images_a_shard)[0]
    ]


def _samples(tmp_path: Path, content: object, images_a_shard: int = 100) -> list[Sample]:
    return [s for shard in _plan(tmp_path, content, images_a_shard) for s in read_shard(shard)]


def test_each_entry_is_a_row_whatever_it_lacks(tmp_path: Path) -> None:
    entries = [
        {"id": 1, "file_name": "a.jpg"},
        {"id": 2, "coco_url": "http://h/b.jpg"},
        {"id": 0, "flickr_url": "http://h/c.jpg"},
        {"id": 0, "width": 3},
        {"file_name": None},
        "d.jpg",
        None,
        {"file_name": "../e.jpg"},
    ]
    samples = _samples(tmp_path, {"images": entries})
    ids = [sample.image_id for sample in samples]
    assert ids == [
        "a.jpg",
        "http://h/b.jpg",
        "http://h/c.jpg",
        "0",
        "00000004",
        "00000005",
        "00000006",
        "../e.jpg",
    ]
    assert [sample.error is None for sample in samples] == [True] * 3 + [False] * 5
    assert "names no image" in (samples[3].error or "")
    assert "is no object: d.jpg" in (samples[5].error or "")
    assert "leads out of the folder" in (samples[7].error or "")


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        ([{"image_id": 1, "url": "https://h/1.jpg"}], ["https://h/1.jpg"]),  # Visual Genome
        ([{"id": "0", "image": "c/0.jpg", "conversations": []}], ["c/0.jpg"]),  # LLaVA
        ({"data": [{"file_name": "a.jpg"}], "images": []}, ["a.jpg"]),
        ({"annotations": [{"image_id": 1}], "images": [{"path": "p/a.jpg"}]}, ["p/a.jpg"]),
        ({"images": [{"filepath": "val2014", "filename": "a.jpg"}], "dataset": "coco"}, ["val2014/a.jpg"]),
    ],
)
def test_other_json_of_the_field(tmp_path: Path, content: object, ids: list[str]) -> None:
    assert [sample.image_id for sample in _samples(tmp_path, content)] == ids


def test_ids_are_unique_in_the_whole_file(tmp_path: Path) -> None:
    names = ["0.jpg", "1.jpg", "0.jpg", "0.jpg#2", "2.jpg", "0.jpg", "1.jpg", "0.jpg#2"]
    for images_a_shard in (2, 3, 100):
        entries = [{"file_name": name} for name in names]
        samples = _samples(tmp_path, {"images": entries}, images_a_shard)
        assert [sample.image_id for sample in samples] == [
            *("0.jpg", "1.jpg", "0.jpg#3", "0.jpg#2", "2.jpg", "0.jpg#4", "1.jpg#2", "0.jpg#2#2")
        ]


def test_a_shard_has_the_state_of_its_own_entries(tmp_path: Path) -> None:
    entries = [{"file_name": f"{number}.jpg"} for number in range(4)]
    before = _plan(tmp_path, {"images": entries}, 2)
    entries[3]["width"] = "5"
    after = _plan(tmp_path, {"images": entries, "more": 1}, 2)
    assert [a.state == b.state for a, b in zip(before, after, strict=True)] == [True, False]
    assert all(len(shard.state) == 16 for shard in before)


def test_metadata_is_json_without_the_secrets_of_the_images_url(tmp_path: Path) -> None:
    url = "https://user:SECRET@h/a.jpg?X-Amz-Signature=SECRET"
    (sample,) = _samples(tmp_path, [{"url": url, "score": float("nan"), "text": "\ud800"}])
    assert "SECRET" not in sample.image_id + (sample.metadata or "")
    fields = json.loads(sample.metadata or "")
    assert (fields["score"], fields["text"]) == (None, "\ud800")


def test_one_text_that_is_not_utf8_costs_no_image(tmp_path: Path) -> None:
    name = b"caf\xe9.jpg"
    (tmp_path / os.fsdecode(name)).write_bytes(b"image")
    (tmp_path / "x.json").write_bytes(b'{"images": [{"file_name": "%s"}, {"file_name": "b.jpg"}]}' % name)
    (shard,) = plan_coco(str(tmp_path / "x.json"), f"{tmp_path}/")[0]
    first, second = read_shard(shard)
    assert first.load is not None
    assert (first.load(), second.image_id) == (b"image", "b.jpg")
    json.loads(first.metadata or "")


def test_json_nested_without_end_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"images": ' + "[" * 200_000)
    with pytest.raises(UserError, match="cannot be listed"):
        plan_source(str(tmp_path / "x.json"))


def test_no_name_holds_the_signature_of_its_url() -> None:
    content = json.dumps({"images": [{"id": 1, "file_name": "1.jpg"}]})
    with web_server(Site(content.encode())) as server:
        shards, _ = plan_coco(f"{server}/some.json?X-Amz-Signature=SECRET", "s3://bucket")
    assert [shard.id for shard in shards] == ["some-000000"]
