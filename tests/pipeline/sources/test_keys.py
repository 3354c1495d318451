from pathlib import Path
from typing import Any

import pytest

from pipeline.sources.keys import key_rule
from pipeline.sources.options import KeySetting
from pipeline.sources.sample import Sample
from pipeline.sources.shard import Shard
from pipeline.sources.webdataset import TarArgs, read_webdataset
from tests.images import encoded, picture, write_tar

JPEG = encoded(picture())
FIRST = {
    "plain": ["0.jpg", "0.json", "1.jpg"],
    "an image and its mask": ["0.jpg", "0.mask.png", "0.json", "1.jpg", "1.mask.png"],
    "two views and one text": [f"{n}.{end}" for n in range(9) for end in ("left.png", "right.png", "json")],
    "numbered views and one text": [f"{n}.{end}" for n in range(9) for end in ("1.jpg", "2.jpg", "json")],
    "views alone": [f"{n}.{end}" for n in range(9) for end in ("rgb.png", "depth.png")],
    "a text of two extensions": ["a.jpg", "a.caption.txt", "b.jpg", "b.caption.txt"],
    "gallery-dl": ["a.jpg", "a.jpg.json", "b.png", "b.png.json"],
}
LAST = {
    "arXiv": [f"2105.{n:05d}.png" for n in range(200)],
    "arXiv, two months": [f"{month}.{n:05d}.png" for month in (2105, 2106) for n in range(100)],
    "dates": ["IMG_2021.05.03.jpg", "IMG_2021.05.03.json"],
    "versions with texts": ["v1.5_cat.jpg", "v1.5_cat.txt", "v1.5_dog.jpg", "v1.5_dog.txt"],
    "screenshots": [f"Screenshot 2021-01-01 at 10.11.{n}.png" for n in range(3)],
    "pairs in parallel": [f"{n}.{part}.{end}" for n in range(9) for part in "ab" for end in ("jpg", "json")],
}


@pytest.mark.parametrize("name", FIRST)
def test_members_that_pair_up_at_the_first_dot(name: str) -> None:
    assert key_rule(FIRST[name]) == "first-dot"


@pytest.mark.parametrize("name", LAST)
def test_names_that_only_make_sense_at_the_last(name: str) -> None:
    assert key_rule(LAST[name]) == "last-dot"


def _read(path: Path, **args: Any) -> list[Sample]:
    return list(read_webdataset(Shard(path.name, "webdataset", str(path), TarArgs(**args)), max_bytes=20_000))


def test_dotted_names_are_a_row_each_with_their_texts(tmp_path: Path) -> None:
    members = [("IMG_2021.05.03.jpg", JPEG), ("IMG_2021.05.03.json", b'{"who": "a"}')]
    (sample,) = _read(write_tar(tmp_path / "x.tar", members))
    assert (sample.image_id, sample.metadata) == ("x/IMG_2021.05.03", '{"who": "a"}')


def test_the_rule_can_be_set(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", [("a.1.jpg", JPEG), ("a.2.jpg", JPEG)])
    assert [sample.image_id for sample in _read(path)] == ["x/a.1", "x/a.2"]
    assert [sample.image_id for sample in _read(path, keys="first-dot")] == ["x/a.1.jpg", "x/a.2.jpg"]


@pytest.mark.parametrize("keys", ["auto", "first-dot", "last-dot"])
def test_more_images_of_one_key_than_a_sample_may_hold_are_a_row_each(
    tmp_path: Path, keys: KeySetting
) -> None:
    images = [encoded(picture(n, 200, 200)) for n in range(40)]
    members = [("2105.json", b'{"month": 5}')]
    members += [(f"2105.{n:05d}.jpg", image) for n, image in enumerate(images)]
    assert sum(map(len, images)) > 3 * 20_000
    write_tar(tmp_path / "x.tar", members)
    shard = Shard("x.tar", "webdataset", str(tmp_path / "x.tar"), TarArgs(keys))
    rows = [(s.image_id, s.load(), s.metadata) for s in read_webdataset(shard, max_bytes=20_000) if s.load]
    assert [image for _, image, _ in rows] == images
    assert len({image_id for image_id, _, _ in rows}) == 40
    if keys == "first-dot":
        assert {metadata for _, _, metadata in rows} == {'{"month": 5}'}
