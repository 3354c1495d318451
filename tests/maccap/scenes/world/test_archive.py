import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maccap.scenes.evaluation.mentions import parse
from maccap.scenes.world.archive import ArchiveConfig, write_archive
from maccap.scenes.world.facts import SceneFacts, scenes_with_facts
from maccap.scenes.world.render import render

CONFIG = ArchiveConfig(split="test", count=7, seed=4, size=64, per_shard=3)


def _write(folder: Path, config: ArchiveConfig = CONFIG) -> list[int]:
    return list(write_archive(folder, config))


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    assert _write(tmp_path / "a") == list(range(1, 8))
    _write(tmp_path / "b")
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")
    tars = [f"scenes-00000{number}.tar" for number in range(3)]
    assert sorted(_bytes(tmp_path / "a")) == sorted(["scenes.json", *tars])


def test_samples_are_the_scenes_and_their_facts(tmp_path: Path) -> None:
    _write(tmp_path)
    members: dict[str, bytes] = {}
    for path in sorted(tmp_path.glob("*.tar")):
        with tarfile.open(path) as tar:
            for info in tar:
                assert (info.mtime, info.uname, info.gname) == (0, "", "")
                content = tar.extractfile(info)
                assert content is not None
                members[info.name] = content.read()
    expected = scenes_with_facts("test", 7, 4)
    assert list(members) == [f"{i:06d}.{kind}" for i in range(7) for kind in ("jpg", "json")]
    for index, (scene, facts) in enumerate(expected):
        assert SceneFacts.model_validate_json(members[f"{index:06d}.json"]) == facts
        assert len(facts.captions) == 5
        image = Image.open(io.BytesIO(members[f"{index:06d}.jpg"]))
        difference = np.asarray(image).astype(int) - np.asarray(render(scene, 64)).astype(int)
        assert np.abs(difference).mean() < 12


def test_writing_again_finishes_what_is_missing(tmp_path: Path) -> None:
    _write(tmp_path)
    whole = _bytes(tmp_path)
    (tmp_path / "scenes-000001.tar").unlink()
    (tmp_path / ".scenes-000001.tar.tmp").write_bytes(b"half")
    untouched = (tmp_path / "scenes-000000.tar").stat().st_mtime_ns
    assert _write(tmp_path)[-1] == 7
    assert _bytes(tmp_path) == whole
    assert (tmp_path / "scenes-000000.tar").stat().st_mtime_ns == untouched


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"photo\.jpg"):
        _write(tmp_path)
    assert _bytes(tmp_path) == {"photo.jpg": b"mine"}


def test_other_arguments_are_refused(tmp_path: Path) -> None:
    _write(tmp_path)
    before = _bytes(tmp_path)
    with pytest.raises(FileExistsError, match='"seed":4'):
        _write(tmp_path, CONFIG.model_copy(update={"seed": 5}))
    assert _bytes(tmp_path) == before


def test_captions_of_parts_are_there_where_asked_for_and_where_there_are_parts(tmp_path: Path) -> None:
    _write(tmp_path, CONFIG.model_copy(update={"partial_captions": True}))
    assert '"partial_captions":true' in (tmp_path / "scenes.json").read_text()
    found = [facts for _, facts in scenes_with_facts("test", 7, 4, partly=True)]
    assert {(len(facts.objects) > 1, len(facts.partial_captions)) for facts in found} == {
        (True, 2),
        (False, 0),
    }
    for facts in found:
        for text in facts.partial_captions:
            assert 0 < len(parse(text).counts) < len(facts.objects)
    with tarfile.open(tmp_path / "scenes-000000.tar") as tar:
        member = tar.extractfile("000000.json")
        assert member is not None
        assert SceneFacts.model_validate_json(member.read()) == found[0]
