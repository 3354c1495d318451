import json
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.sources import SourceOptions, plan_source, read_shard
from pipeline.sources.coco import plan_coco
from tests.images import encoded, picture


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


@pytest.mark.parametrize("content", ['{"annotations": []}', "[]", '{"images": [{"id": 1}]}'])
def test_json_that_names_no_images_is_a_clear_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UserError, match="names no images"):
        plan_source(str(tmp_path / "x.json"))


def test_damaged_json_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"images": [{"file_name"')
    with pytest.raises(UserError, match="cannot be listed"):
        plan_source(str(tmp_path / "x.json"))
